# Tries on a real Windows what Wine can't prove, and says what held. Run it in the folder of llm-manager.exe:
#   powershell -NoProfile -ExecutionPolicy Bypass -File selftest.ps1
# It serves on a port of its own, with a folder of its own, and removes both. As administrator it tries the service, too.
if ($PSVersionTable.PSEdition -eq 'Core') { Write-Host 'run it with powershell, the one that comes with Windows'; exit 1 }
$ErrorActionPreference = 'Stop'
$exe = Join-Path $PSScriptRoot 'llm-manager.exe'
$work = Join-Path ([IO.Path]::GetTempPath()) ("llm-manager 自检 " + [guid]::NewGuid().ToString('N').Substring(0, 8))
$port = 20000 + (Get-Random -Maximum 20000)
$failed = 0

function Check([string]$what, [bool]$held, [string]$more = '') {
  if ($held) { Write-Host "held    $what" } else { $script:failed++; Write-Host "FAILED  $what $more" }
}
function Wait-For([scriptblock]$condition, [int]$seconds = 30) {
  $end = (Get-Date).AddSeconds($seconds)
  while ((Get-Date) -lt $end) {
    try { if (& $condition) { return $true } } catch { }
    Start-Sleep -Milliseconds 100
  }
  return $false
}
function Api([string]$path, [string]$method = 'GET') {
  # A list comes as one object, and is taken apart by being named.
  $answer = Invoke-RestMethod -Method $method -Uri "http://127.0.0.1:$port$path" -TimeoutSec 60
  $answer
}
# What it says when it refuses, or an empty text if it doesn't.
function Refusal([string]$path) {
  try { Api $path 'POST' | Out-Null } catch {
    if ($_.ErrorDetails) { return $_.ErrorDetails.Message }
    if (-not $_.Exception.Response) { return $_.Exception.Message }
    return (New-Object IO.StreamReader $_.Exception.Response.GetResponseStream()).ReadToEnd()
  }
  return ''
}
function Start-Manager { Start-Process -FilePath $exe -ArgumentList 'serve' -WorkingDirectory $work -PassThru -WindowStyle Hidden }

# What the console's code page can say: 936 has Chinese letters, 437 and 850 have German ones.
$oem = [Text.Encoding]::GetEncoding([int](Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage').OEMCP)
$words = @('代码页的输出', 'Grüße', 'plain') | Where-Object { $oem.GetString($oem.GetBytes($_)) -eq $_ } | Select-Object -First 1

# A model server, which notes that it was asked to end. Not on HttpListener: there the system itself listens.
$server = @'
using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;

static class Server {
  static void Main() {
    Console.CancelKeyPress += (sender, e) => File.AppendAllText(AppDomain.CurrentDomain.BaseDirectory + "asked", e.SpecialKey + "\n");
    var listener = new TcpListener(IPAddress.Loopback, int.Parse(Environment.GetEnvironmentVariable("PORT")));
    listener.Start();
    Console.WriteLine("WORDS");
    while (true) {
      var client = listener.AcceptTcpClient();
      new Thread(() => { try { Answer(client); } catch (IOException) { } }).Start();
    }
  }

  static void Answer(TcpClient client) {
    using (client) {
      var stream = client.GetStream();
      var head = new StringBuilder();
      while (!head.ToString().EndsWith("\r\n\r\n")) {
        int one = stream.ReadByte();
        if (one < 0) return;
        head.Append((char)one);
      }
      int left = 0;
      foreach (var line in head.ToString().ToLowerInvariant().Split('\n'))
        if (line.StartsWith("content-length:")) left = int.Parse(line.Substring(15).Trim());
      while (left-- > 0) stream.ReadByte();
      var body = "{\"id\":\"1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"ok\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}";
      var bytes = Encoding.UTF8.GetBytes("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + body.Length + "\r\nConnection: close\r\n\r\n" + body);
      stream.Write(bytes, 0, bytes.Length);
    }
  }
}
'@.Replace('WORDS', $words)

# A port of somebody else's (this PowerShell's), and one that nobody may have.
$stranger = New-Object Net.Sockets.TcpListener ([Net.IPAddress]::Loopback), 0
$stranger.Start()
$taken = $stranger.LocalEndpoint.Port
$ranges = @(netsh interface ipv4 show excludedportrange protocol=tcp | Select-String '^\s+(\d+)\s+(\d+)' | ForEach-Object { [int]$_.Matches[0].Groups[1].Value } | Where-Object { $_ -ge 1024 })
$reserved = if ($ranges) { $ranges[0] } else { 50000 }

New-Item -ItemType Directory -Path $work | Out-Null
$manager = $null
try {
  Add-Type -TypeDefinition $server -OutputAssembly (Join-Path $work 'server.exe') -OutputType ConsoleApplication
  [IO.File]::WriteAllText((Join-Path $work 'run it.bat'), "@echo off`r`n`"%~dp0server.exe`"`r`n")
  [IO.File]::WriteAllText((Join-Path $work 'run.ps1'), "& `"`$PSScriptRoot\server.exe`"`r`n")
  [IO.File]::WriteAllText((Join-Path $work 'look.bat'), "@echo off`r`nset PORT=$($port + 1)`r`n`"%~dp0server.exe`"`r`n")
  [IO.File]::WriteAllText((Join-Path $work 'config.yaml'), @"
program: {host: 127.0.0.1, port: $port, alive_time: 0, stop_timeout: 10}
devices:
  - {name: hangs, command: ['./look.bat']}
Local-Models:
  program: {mode: Chat, V: {script_path: server.exe}}
  batch: {mode: Chat, V: {script_path: 'run it.bat'}}
  shell: {mode: Chat, V: {script_path: run.ps1}}
  taken: {mode: Chat, port: $taken, V: {script_path: server.exe}}
  reserved: {mode: Chat, port: $reserved, V: {script_path: server.exe}}
"@)
  [IO.File]::WriteAllText((Join-Path $work 'second.yaml'), "program: {host: 127.0.0.1, port: $($port + 2)}`r`nLocal-Models: {}`r`n")
  Push-Location $work
  & $exe check | Out-Host
  Check 'check accepts a configuration in a folder with Chinese letters and a blank' ($LASTEXITCODE -eq 0)
  $manager = Start-Manager
  Check 'the manager serves' (Wait-For { (Api '/health').status -eq 'ok' })

  foreach ($model in 'program', 'batch', 'shell') {
    $body = @{ model = $model; messages = @(@{ role = 'user'; content = 'hi' }) } | ConvertTo-Json -Depth 4
    $answer = $null
    try { $answer = Invoke-RestMethod -Method Post -Uri "http://127.0.0.1:$port/v1/chat/completions" -ContentType 'application/json' -Body $body -TimeoutSec 120 } catch { }
    Check "$model starts on demand and answers" ($null -ne $answer) (Api "/api/models/$model" | ConvertTo-Json -Depth 4)
    $lines = (Api "/api/models/$model/logs?tail=50").line
    Check "$model's output in the console's code page is read" ($lines -contains $words) ($lines -join ' / ')
    $asked = Join-Path $work 'asked'
    Remove-Item $asked -ErrorAction SilentlyContinue
    $began = Get-Date
    Api "/api/models/$model/stop" 'POST' | Out-Null
    $took = ((Get-Date) - $began).TotalSeconds
    $exit = (Api "/api/models/$model").runs[-1].exit
    Check "$model's server gets Ctrl-Break" (Test-Path $asked)
    $end = "$model ended after $([math]::Round($took, 1)) s: $exit"
    # PowerShell itself takes Ctrl-Break for a wish to debug.
    if ($model -eq 'shell') { Write-Host "told    $end" } else { Check "$end, before stop_timeout" ($took -lt 9) }
  }

  $said = Refusal '/api/models/taken/start'
  Check 'whose a taken port is, is told' ($said -match "port $taken is taken by pid $PID ") $said
  if ($ranges) {
    $said = Refusal '/api/models/reserved/start'
    Check 'a reserved port is told with its range' ($said -match "port $reserved is in the range \d+ to \d+") $said
  } else {
    Write-Host 'left out a reserved port: there is none here'
  }
  $hung = Wait-For { (@(Api '/api/devices') | Where-Object { $_.name -eq 'hangs' }).online -eq $false } 20
  $left = @(Get-CimInstance Win32_Process -Filter "Name = 'server.exe'" | Where-Object { $_.ExecutablePath -like "$work*" -and ((Get-Date) - $_.CreationDate).TotalSeconds -gt 8 })
  Check 'a command for a device that hangs is killed with what it started' ($hung -and $left.Count -eq 0) ($left | Out-String)
  $second = Start-Process -FilePath $exe -ArgumentList '--config', 'second.yaml', 'serve' -WorkingDirectory $work -PassThru -WindowStyle Hidden -RedirectStandardError (Join-Path $work 'second')
  $second.WaitForExit()
  $said = [IO.File]::ReadAllText((Join-Path $work 'second'))
  Check 'a second manager of the folder is refused by name' ($said -match "in use by another manager \(pid $($manager.Id) ") $said

  Invoke-RestMethod -Method Post -Uri "http://127.0.0.1:$port/api/models/batch/start" -TimeoutSec 120 | Out-Null
  $backend = (Api '/api/models/batch').pid
  $children = @(Get-CimInstance Win32_Process -Filter "ParentProcessId = $backend").ProcessId
  Stop-Process -Id $manager.Id -Force
  Check 'a killed manager leaves no process' (Wait-For { -not (Get-Process -Id (@($backend) + $children) -ErrorAction SilentlyContinue) } 5)
  $manager = Start-Manager
  Check 'the next manager serves' (Wait-For { (Api '/health').status -eq 'ok' })
  Check 'and has closed the run of the killed one' (@(Get-ChildItem (Join-Path $work 'data\runs')).Count -eq 0)

  $cards = @(Api '/api/devices' | Where-Object { $_.plugin -eq 'nvidia' })
  Write-Host "told    NVIDIA cards: $($cards.Count) (nvidia-smi: $((Get-Command nvidia-smi -ErrorAction SilentlyContinue) -ne $null))"
  Write-Host "told    reserved ports: $($ranges.Count) ranges"
  Write-Host "told    who may read the ledger: $((Get-Acl (Join-Path $work 'data')).AccessToString -replace "`n", '; ')"

  & $exe tray --at-login true | Out-Host
  $run = 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Run'
  Check 'the icon comes at log-in' ((Get-ItemProperty $run).'LLM-Manager tray' -like "*$exe*")
  & $exe tray --at-login false | Out-Host
  Check 'and not any more' ($null -eq (Get-ItemProperty $run).'LLM-Manager tray')

  $admin = ([Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()).IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
  Stop-Process -Id $manager.Id -Force
  $manager.WaitForExit()
  if ($admin) {
    & $exe service install | Out-Host
    Check 'service install' ($LASTEXITCODE -eq 0)
    try {
      & $exe service start | Out-Host
      Check 'the service serves' (Wait-For { (Api '/health').status -eq 'ok' })
      Invoke-RestMethod -Method Post -Uri "http://127.0.0.1:$port/api/models/program/start" -TimeoutSec 120 | Out-Null
      Remove-Item $asked -ErrorAction SilentlyContinue
      Api '/api/models/program/stop' 'POST' | Out-Null
      Check 'a model of the service, which has no console, gets Ctrl-Break' (Test-Path $asked)
      $delayed = (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\LLM-Manager').DelayedAutostart
      Check 'the service starts with the machine, after the others' ($delayed -eq 1)
      $before = (Get-CimInstance Win32_Service -Filter "Name = 'LLM-Manager'").ProcessId
      Stop-Process -Id $before -Force
      Check 'the service starts again after a crash' (Wait-For { (Get-CimInstance Win32_Service -Filter "Name = 'LLM-Manager'").ProcessId -notin 0, $before -and (Api '/health').status -eq 'ok' } 60)
      & $exe service stop | Out-Host
      Check 'service stop' ((Get-Service LLM-Manager).Status -eq 'Stopped')
    } finally {
      & $exe service uninstall | Out-Host
    }
    Check 'service uninstall' ($LASTEXITCODE -eq 0)
  } else {
    Write-Host 'left out the service: not an administrator'
  }
} finally {
  $stranger.Stop()
  if ($manager -and -not $manager.HasExited) { Stop-Process -Id $manager.Id -Force }
  Pop-Location
  Start-Sleep -Seconds 1
  Remove-Item -Recurse -Force $work -ErrorAction SilentlyContinue
}
Write-Host "$(if ($failed) { "$failed did not hold" } else { 'all held' }) on $([Environment]::OSVersion.VersionString)"
exit $failed
