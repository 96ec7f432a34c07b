@echo off
rem The manager sets PORT, and CUDA_VISIBLE_DEVICES for the cards that this variant names.
"D:\llama\llama-server.exe" -m "D:\models\qwen2.5-14b-instruct-q4_k_m.gguf" --port %PORT% -ngl 99
