/** Of memory that isn't there: a decision in sentences (`llm-manager explain` has the same). */
import { type Rule, time } from '@/shared/i18n/rule'

const never: Record<string, string> = {
  "no variant's address answers": '所有变体的地址都没有响应',
  "no variant's devices are all online": '没有一个变体的设备全部在线',
  'no variant fits, even without the models that may be stopped': '即使停止可以停止的模型，也没有变体放得下',
  'other models would have to stop, and only auto_start asked for it': '需要停止其他模型，而只有 auto_start 要它启动',
  'ran out of memory at its last start': '上次启动时内存不足',
  'an operator has paused a device that it needs': '操作员暂停了它需要的一个设备',
}

/** Who is in the way, behind the name of that model. */
const ways: [RegExp, string][] = [
  [/^which keeps its memory for another ([\d.]+ m?s) \(min_hold\)$/, '还要保留内存 $1（min_hold）'],
  [/^which a higher class has just used, and is kept for it for another ([\d.]+ m?s)$/, '刚被更高级别使用，为其再保留 $1'],
  [/^which is busy and has to finish after ([\d.]+ m?s) \(max_hold\)$/, '正忙，最迟在 $1后结束（max_hold）'],
  [/^which is busy$/, '正忙'],
  [/^which is being started$/, '正在启动'],
  [/^which is stopping$/, '正在停止'],
  [/^which has just ended$/, '刚刚结束'],
  [/^which came first$/, '先到'],
  [/^which is pinned$/, '已固定'],
  [/^which is kept warm \(keep_warm\), and goes for a higher class only$/, '保持预热（keep_warm），只让给更高级别'],
  [/^by itself, parked$/, '它自己，休眠中'],
  [/^which is parked$/, '休眠中'],
  [/^which is idle$/, '空闲'],
]

function way(text: string): string {
  for (const [pattern, words] of ways) {
    const found = pattern.exec(text)
    if (found) return words.replace('$1', time(found[1] ?? ''))
  }
  return text
}

/** "needs 24000 MiB, 18200 free, 5000 held by bge-m3 which is busy". */
const lacks = (text: string) =>
  text
    .replace(/: needs (\d+) MiB, (\d+) free/g, '：需要 $1 MiB，空闲 $2')
    .replace(/, (\d+) in all/g, '，总共 $1')
    .replace(/, (\d+) held by (\S+) (by itself, parked|which is kept warm \(keep_warm\), and goes for a higher class only|which a higher class has just used, and is kept for it for another [\d.]+ m?s|which [^,]+)/g,
      (_, mib: string, model: string, why: string) => `，${model} 占用 ${mib}（${way(why)}）`)
    .replace(/, (\d+) used by other programs(?: \((.+?)(?:, and (\d+) more)?\))?(?=,|$)/g, (_, mib: string, names: string | undefined, rest: string | undefined) =>
      `，其他程序占用 ${mib}${names ? `（${names.replaceAll(', ', '、')}${rest ? ` 等，另有 ${rest} 个` : ''}）` : ''}`)
    .replace(/, (\d+) kept free for other programs \(keep_free_mb\)/g, '，为其他程序预留 $1（keep_free_mb）')

const missing: [RegExp, string][] = [
  [/: no device online matches/g, '：没有符合的在线设备'],
  [/: (\d+) wanted, (\d+) online/g, '：需要 $1 个，在线 $2 个'],
  [/: all matching devices are taken by the other requirements/g, '：符合的设备都已被其他要求占用'],
  [/; offline: /g, '；离线：'],
  [/; similar: /g, '；相近：'],
]

const paused = (text: string) =>
  text.replace(/(\S+) is paused by an operator for another ((?:\d+ h )?\d+ (?:min|s))/g, (_, device: string, left: string) =>
    `${device} 被操作员暂停，还有 ${left.replace(' h', ' 小时').replace(' min', ' 分钟').replace(/ s$/, ' 秒')}`)

/** What is said of one variant: "Dual: v100: needs ...". */
function part(text: string): string {
  const [, name = '', rest = ''] = /^(.+?): (.+)$/s.exec(text) ?? []
  if (!name) return text
  return `${name}：${never[rest] ?? devices(rest)}`
}

/** What is said of the devices of one variant. */
const devices = (text: string) => paused(missing.reduce((words, [pattern, chinese]) => words.replace(pattern, chinese), lacks(text)))

export const memory: Rule[] = [
  [/^memory$/, () => '内存'],
  [/^queue_timeout \(([\d.]+) s\) is over; (.+)$/s, (say, limit, why) => `已超过 queue_timeout（${limit} 秒）；${say(why)}`],
  [/^(.+); the last start: (.+)$/s, (say, why, output) => `${say(why)}；上次启动：${say(output)}`],
  [/^variant (\S+): (.+)$/s, (say, variant, what) => `变体 ${variant}：${say(what)}`],
  [/^([^:]+): (\S+) waits for (.+?)((?:; .+)?)$/s, (_, model, variant, whom, rest) => {
    const blockers = (whom).split(/, (?=\S+ (?:which|by itself))/).map((one) => one.replace(/^(\S+) (.+)$/s, (_all, name: string, why: string) => `${name}（${way(why)}）`))
    return `${model}：${variant} 正在等待 ${blockers.join('、')}${parts(rest)}`
  }],
  [/^([^:]+): (\S+) fits without ([^;]+)((?:; .+)?)$/s, (_, model, variant, victims, rest) =>
    `${model}：停止 ${(victims).replaceAll(', ', '、').replaceAll(' (which is parked)', '（休眠中）')} 后 ${variant} 放得下${parts(rest)}`],
  [/^([^:]+): (\S+) fits((?:; .+)?)$/s, (_, model, variant, rest) => `${model}：${variant} 放得下${parts(rest)}`],
  [/^([^:]+): ([^;:]+)((?:; .+)?)$/s, (_, model, why, rest) => (never[why] ? `${model}：${never[why]}${parts(rest)}` : null)],
  // Parts of it that stand alone.
  [/^(\S+) ((?:which|by itself).+)$/s, (_, model, why) => (way(why) === why ? null : `${model}（${way(why)}）`)],
  [/^(.+)$/s, (_, text) => (devices(text) === text ? null : devices(text))],
]

/** "; Dual: v100: needs ..., Single: ..." behind the decision. */
const parts = (rest: string) =>
  rest
    .split(/; (?!offline: |similar: )/)
    .slice(1)
    .map((one) => `；${part(one)}`)
    .join('')
