/** What the steps of a start are called, and what helps where one of them is long. docs/operations/slow-starts.md says the same. */
import { texts } from '@/shared/i18n/texts'
import type { StepName, Whose } from './steps'

export const stepTexts = texts(
  {
    victims: 'Other models make room', memory: 'The driver returns the memory', placing: 'A place in memory', launch: 'The process is launched', before: 'Wait and launch',
    port: 'The server opens its port', load: 'The server loads the model', first: 'The first answer begins',
  } satisfies Record<StepName, string>,
  {
    victims: '其他模型让出内存', memory: '驱动归还内存', placing: '在内存中找到位置', launch: '启动进程', before: '等待与启动',
    port: '服务打开端口', load: '服务加载模型', first: '第一个响应开始',
  },
)

export const whoseTexts = texts(
  { manager: 'manager', server: 'model server', others: 'other models', driver: 'driver', unknown: 'not kept apart' } satisfies Record<Whose, string>,
  { manager: '管理器', server: '模型服务', others: '其他模型', driver: '驱动', unknown: '未分别记录' },
)

export const helpTexts = texts(
  {
    victims: 'Lower max_hold, or the stop_timeout of a server that ignores SIGTERM.', memory: 'Nothing shortens this: it is the driver’s time.', placing: 'The models that hold the memory were busy. “If it were started now” (Variants) names them.',
    launch: 'Look for a full disk or a busy machine.', before: 'Of a run this old only three moments are kept.', port: 'End the script with exec; keep the weights on a local disk.',
    load: 'Put the weights on a faster disk or into the page cache; choose a smaller context.', first: 'A request may have come later than the start. If not, let the script warm the model up.',
  } satisfies Record<StepName, string>,
  {
    victims: '调低 max_hold，或调低不理会 SIGTERM 的服务的 stop_timeout。', memory: '无法缩短：这是驱动所需的时间。', placing: '占用内存的模型正忙；“变体”页的“如果现在启动”会列出它们。',
    launch: '检查磁盘是否已满、机器是否过忙。', before: '较早的运行只保留三个时刻。', port: '脚本以 exec 结尾；权重放在本地磁盘。',
    load: '把权重放到更快的磁盘或页缓存；减小上下文。', first: '请求可能晚于启动才到来；否则可在脚本里预热模型。',
  },
)
