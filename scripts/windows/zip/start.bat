@echo off
rem Starts the manager in this window; Ctrl-C ends it and its models.
cd /d "%~dp0"
if not exist config.yaml copy config.example.yaml config.yaml > nul
llm-manager.exe check
if errorlevel 1 goto wrong
start "" http://127.0.0.1:8080/
llm-manager.exe serve
if not errorlevel 1 exit /b 0
:wrong
echo.
echo It did not start. The lines above say why.
pause
exit /b 1
