/** Of the questions to a backend, or to a server elsewhere, until it serves. */
import { more, type Rule, time } from '@/shared/i18n/rule'

export const probe: Rule[] = [
  [/^(.+) \(after ([\d.]+ m?s)\)$/s, (say, what, after) => `${say(what)}（${time(after)}后）`],
  [/^the probe failed: (.+): please report this with the log around it$/s, (_, what) => `探测本身出错：${what}：请连同前后的日志一起报告`],
  [/^the backend does not know the model by the name (.+?) \((.+?): status (\d+): (.*)\); it lists (.+): set `served_name` to the name that it knows$/s, (_, names, question, status, text, listed) => {
    const list = listed === 'no models' ? '它没有列出任何模型' : `它列出 ${more(listed)}`
    return `后端不认识名称 ${(names).replaceAll(' or ', ' 或 ')}（${question}：状态码 ${status}：${text}）；${list}：把 \`served_name\` 设为它认识的名称`
  }],
  [/^the backend does not know the path of the probe (.+?) \(status (\d+): (.*)\): does the model's .*$/s, (_, question, status, text) =>
    `后端不认识探测路径 ${question}（状态码 ${status}：${text}）：模型的 \`mode\` 与脚本启动的服务相符吗？如果它的 API 不在 /v1 下，请设置 \`api_prefix\``],
  [/^the backend answers the probe (.+?) with status (\d+): (.*) \(it needs a key of its own: .*$/s, (_, question, status, text) =>
    `后端对探测 ${question} 返回状态码 ${status}：${text}（它需要自己的密钥：写在模型的 \`probe\` 里，例如 {headers: {Authorization: "Bearer ..."}}；或不带密钥启动它，反正只有本机能访问它）`],
  [/^the backend answers the probe (.+?) with status (\d+): (.*) \(does the model's `mode` fit what the script starts\?\)$/s, (_, question, status, text) =>
    `后端对探测 ${question} 返回状态码 ${status}：${text}（模型的 \`mode\` 与脚本启动的服务相符吗？）`],
  [/^(GET|POST) (\S+) was not answered within (\d+) s$/, (_, method, path, limit) => `${method} ${path} 在 ${limit} 秒内没有响应`],
  [/^(GET|POST) (\S+) \((.*)\)$/s, (say, method, path, why) => `${method} ${path}（${say(why)}）`],
  [/^(GET|POST) (\S+): (.+)$/s, (say, method, path, why) => `${method} ${path}：${say(why)}`],
  [/^(.+), while its processes listen on (.+): does it use PORT\?$/s, (say, why, where) => `${say(why)}，而它的进程监听 ${where}：它使用 PORT 了吗？`],
  [/^(.+); it lists (.+), not `(.+)`: perhaps `served_name` is missing$/s, (say, why, listed, name) => `${say(why)}；它列出 ${more(listed)}，没有 \`${name}\`：也许缺少 \`served_name\``],
  [/^no connection to (\S+): (.+)$/s, (say, where, why) => `无法连接 ${where}：${say(why)}`],
  [/^Connection refused \((.+)\)$/, (_, code) => `连接被拒绝（${code}）`],
  [/^no answer within (\d+) s$/, (_, limit) => `${limit} 秒内没有响应`],
  [/^no answer: (\S+) took longer than (\d+) s$/, (_, path, limit) => `没有响应：${path} 超过 ${limit} 秒`],
  [/^no answer: (.+)$/s, (_, why) => `没有响应：${why}`],
  [/^no answer$/, () => '没有响应'],
  [/^an answer that breaks off: (.+)$/s, (_, why) => `响应中断：${why}`],
  [/^(\S+) does not answer$/, (_, where) => `${where} 没有响应`],
  [/^status (\d+): (.*)$/s, (_, status, text) => `状态码 ${status}：${text}`],
  [/^(?:(\S+): )?it refuses the key \(status 401 or 403: (.*)\): set `on\.key`$/s, (_, where, text) => `${where ? `${where}：` : ''}它拒绝该密钥（状态码 401 或 403：${text}）：请设置 \`on.key\``],
  [/^it answers 503: it serves nobody now$/, () => '它返回 503：现在不提供服务'],
]
