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
  Invoke-RestMethod -Method $method -Uri "http://127.0.0.1:$port$path" -TimeoutSec 60
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

New-Item -ItemType Directory -Path $work | Out-Null
$manager = $null
try {
  Add-Type -TypeDefinition $server -OutputAssembly (Join-Path $work 'server.exe') -OutputType ConsoleApplication
  [IO.File]::WriteAllText((Join-Path $work 'run it.bat'), "@echo off`r`n`"%~dp0server.exe`"`r`n")
  [IO.File]::WriteAllText((Join-Path $work 'run.ps1'), "& `"`$PSScriptRoot\server.exe`"`r`n")
  [IO.File]::WriteAllText((Join-Path $work 'config.yaml'), @"
program: {host: 127.0.0.1, port: $port, alive_time: 0, stop_timeout: 10, Disable_GPU_monitoring: true}
Local-Models:
  program: {mode: Chat, V: {script_path: server.exe}}
  batch: {mode: Chat, V: {script_path: 'run it.bat'}}
  shell: {mode: Chat, V: {script_path: run.ps1}}
"@)
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
  Write-Host "told    reserved ports: $((netsh interface ipv4 show excludedportrange protocol=tcp | Select-String '^\s+\d').Count) ranges"

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
  if ($manager -and -not $manager.HasExited) { Stop-Process -Id $manager.Id -Force }
  Pop-Location
  Start-Sleep -Seconds 1
  Remove-Item -Recurse -Force $work -ErrorAction SilentlyContinue
}
Write-Host "$(if ($failed) { "$failed did not hold" } else { 'all held' }) on $([Environment]::OSVersion.VersionString)"
exit $failed
