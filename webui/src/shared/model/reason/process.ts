/** Of processes: how they start, end, and don't. */
import { exit, type Rule, time } from '@/shared/i18n/rule'

const phases: Record<string, string> = { 'before it was ready': '就绪之前', 'while it was parked': '休眠期间', 'while it was ready': '服务期间' }
const stranger = '结束另一个进程，给模型换一个 `port`，或者在有意如此时（例如容器的端口代理）设置 `foreign_listener: true`'
const hints: Record<string, string> = {
  'make the folder': '请创建该目录',
  'correct `script_path`': '请改正 `script_path`',
  'install that interpreter, correct the line, or save the script with Unix line ends': '安装该解释器，改正这一行，或以 Unix 换行符保存脚本',
  'install it, or write its full path as the first word of `command`': '安装它，或把完整路径写成 `command` 的第一个词',
  'allow this user to run it, or see whether a virus scanner holds it': '允许当前用户运行它，或检查是否被杀毒软件占用',
  "allow this user to run it (chmod +x, or the folder's rights)": '允许当前用户运行它（chmod +x，或目录权限）',
  'shorten `command` or `env`': '缩短 `command` 或 `env`',
  'the machine is out of processes or memory: end something, or raise the limit': '进程数或内存已用尽：结束一些进程，或提高上限',
  'remove the NUL character from `command` or `env`': '从 `command` 或 `env` 中去掉 NUL 字符',
  'try the same command in a shell': '在 shell 里试试同一条命令',
}

export const process: Rule[] = [
  [/^(.+); it printed nothing$/s, (say, what) => `${say(what)}；它没有任何输出`],
  [/^(exit code .+|killed by .+) (before it was ready|while it was parked|while it was ready), after ([\d.]+ m?s)( \(the script must stay.*\))?$/, (_, how, when, after, hint) =>
    `${exit(how)}，在${phases[when]}，启动后 ${time(after)}${hint ? '（脚本必须保持运行：用 `exec` 结尾，不要用 `&` 启动）' : ''}`],
  [/^not ready within start_timeout \(([\d.]+) s\); it waited for (.+)$/s, (say, limit, what) => `在 start_timeout（${limit} 秒）内没有就绪；当时在等待：${say(what)}`],
  [/^its first process has died; what it left behind has a moment to clean up$/, () => '第一个进程已经退出；它留下的进程还有片刻收尾'],
  [/^no answer to (\d+) requests in a row within first_byte_timeout \(([\d.]+) s\): it hangs, and is being restarted$/, (_, count, limit) =>
    `连续 ${count} 个请求在 first_byte_timeout（${limit} 秒）内没有响应：后端卡住，正在重启`],
  [/^requests failed, and its probe did, too: (.+); it is being restarted$/s, (say, why) => `请求失败，探测也失败：${say(why)}；正在重启`],
  [/^it can't be stopped: (.+)$/s, (say, why) => `无法停止：${say(why)}`],
  [/^processes of it are left that SIGKILL did not end$/, () => '仍有 SIGKILL 未能结束的进程'],
  [/^it can't be parked, and is stopped instead: (.+)$/s, (say, why) => `无法休眠，改为停止：${say(why)}`],
  [/^it can't be woken; a fresh one is started for those who wait: (.+)$/s, (say, why) => `无法唤醒，为等待者重新启动：${say(why)}`],
  [/^the model's actor (.+) and (is being restarted|was given up)$/s, (_, cause, what) => `模型的 actor ${cause}，${what === 'was given up' ? '已放弃' : '正在重启'}`],
  [/^the process to start$/, () => '进程启动'],
  [/^the launch$/, () => '启动进程'],
  [/^(?:the|its) backend to wake$/, () => '后端唤醒'],
  [/^port (\d+) is taken by a process that can't be seen .*$/, (_, port) => `端口 ${port} 被一个看不到的进程占用（属于其他用户，或在容器中）：结束它，或给模型换一个 \`port\``],
  [/^port (\d+) is taken by (.+): end that process, or give the model another `port`$/, (_, port, by) => `端口 ${port} 被 ${by} 占用：结束该进程，或给模型换一个 \`port\``],
  [/^port (\d+) is in the range (\d+) to (\d+) that Windows keeps .*$/, (_, port, from, to) =>
    `端口 ${port} 在 Windows 为 Hyper-V、WSL 或 Docker 保留的范围 ${from} 到 ${to} 内：给模型换一个 \`port\`，或者不写（\`netsh interface ipv4 show excludedportrange protocol=tcp\` 列出这些范围）`],
  [/^port (\d+) may not be opened: .*$/, (_, port) => `端口 ${port} 不允许打开：给模型换一个 \`port\`，或者不写`],
  [/^no free port was found on 127\.0\.0\.1: (.+); close programs .*$/s, (_, cause) => `127.0.0.1 上没有空闲端口：${cause}；关闭占用大量端口的程序，或给模型指定 \`port\``],
  [/^port (\d+) is answered by (.+), which this model did not start: .*$/, (_, port, by) => `端口 ${port} 由 ${by} 应答，但它不是这个模型启动的：${stranger}`],
  [/^no process of this model is seen to listen on port (\d+): .*$/, (_, port) => `没有看到这个模型的进程监听端口 ${port}：${stranger}`],
  [/^can't start `(.+?)`: (.+); (.+?)$/s, (say, program, cause, hint) => `无法启动 \`${program}\`：${say(cause)}；${hints[hint] ?? hint}`],
  [/^its working folder (.+) is not there$/, (_, folder) => `工作目录 ${folder} 不存在`],
  [/^the script is not there$/, () => '脚本不存在'],
  [/^no such program$/, () => '没有这个程序'],
  [/^its first line names `(.+)`, which is not there$/, (_, what) => `第一行写的 \`${what}\` 不存在`],
  [/^`(.+)` was not started: it is being removed; request another model$/, (_, model) => `\`${model}\` 没有启动：它正在被移除；请使用其他模型`],
]
