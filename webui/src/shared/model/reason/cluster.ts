/** Of Slurm's jobs and Kubernetes' Pods: why they wait, and how they end. */
import { by, exit, type Rule } from '@/shared/i18n/rule'

/** Where it is: "job 7", "Pod p on n1". */
const whose = (text: string) => text.replace(/^the job/, '作业').replace(/^job (\d+)/, '作业 $1').replace(/ on (\S+)$/, '（节点 $1）')

const waits: Record<string, string> = {
  "Slurm hasn't looked at the job yet": 'Slurm 还没有处理该作业',
  'jobs with a higher priority are before it': '前面有优先级更高的作业',
  'all nodes that fit are in use': '所有合适的节点都在使用中',
  'its begin time has not come yet': '还没到开始时间',
  'a licence that it needs is in use': '它需要的许可证正被使用',
  'its reservation has not begun': '它的预留尚未开始',
  'its node runs the prolog': '节点正在运行 prolog',
  'Slurm still cleans up an earlier run of it': 'Slurm 仍在清理它之前的一次运行',
  'no front end node is up': '没有可用的前端节点',
  'a job that it depends on has not ended': '它依赖的作业尚未结束',
  'a job that it depends on failed; take the dependency out of `extra`': '它依赖的作业失败；从 `extra` 中去掉该依赖',
  'it is held by its user; release it with `scontrol release`': '被用户挂起；用 `scontrol release` 放行',
  'it is held by an administrator of the cluster; ask for its release': '被集群管理员挂起；请联系放行',
  'it is held because it was requeued too often': '因重新排队次数过多被挂起',
  'no node has what it asks for; change `gres`, `constraint`, `mem` or `cpus`': '没有节点满足要求；修改 `gres`、`constraint`、`mem` 或 `cpus`',
  'the partition is down': '分区已停用',
  'the partition is inactive': '分区未激活',
  '`time` is longer than the partition allows; choose less or another partition': '`time` 超过分区允许的时长；请缩短或换一个分区',
  '`nodes` is more than the partition allows or has': '`nodes` 超过分区允许或拥有的数量',
  'it asks for more than the partition allows': '要求超过分区允许的范围',
  "the partition doesn't take its `account`": '分区不接受它的 `account`',
  "the partition or the account doesn't take its `qos`": '分区或账户不接受它的 `qos`',
  "its `account` isn't known to Slurm": 'Slurm 不认识它的 `account`',
  "its `qos` isn't known to Slurm": 'Slurm 不认识它的 `qos`',
  'the account has as many jobs as it may have': '账户的作业数已达上限',
  'the account uses as much as it may use': '账户的用量已达上限',
  'the account has used up its time': '账户的时间已用完',
  'the qos has as many jobs as it may have': 'qos 的作业数已达上限',
  'the qos uses as much as it may use': 'qos 的用量已达上限',
  'the qos has used up its time': 'qos 的时间已用完',
  'the qos is used by too many': '使用该 qos 的作业过多',
  'a node that it needs is down': '它需要的节点已停机',
  'a node that it asks for is down, drained or reserved': '它要求的节点已停机、排空或被预留',
  'an earlier launch of it failed': '它之前的一次启动失败',
  'Slurm reports a failure of the system': 'Slurm 报告系统故障',
  'its node is being prepared': '节点正在准备',
  'one job of this qos may not ask for so much': '该 qos 的单个作业不能要求这么多',
  'one job of this account may not ask for so much': '该账户的单个作业不能要求这么多',
  'the qos is at one of its limits': 'qos 已达某项上限',
  'the account is at one of its limits': '账户已达某项上限',
  'its container is being made (image, volumes, network)': '正在创建容器（镜像、卷、网络）',
  'its init containers run': '初始化容器正在运行',
  "the scheduler hasn't looked at it yet": '调度器还没有处理它',
  'no node has room for it': '没有节点放得下它',
  'it has a scheduling gate, which somebody has to open': '它带有调度门控，需要有人放行',
  'the job is being submitted': '正在提交作业',
  'the Pod is being made': '正在创建 Pod',
}

/** What Kubernetes says of a container; the rest is its own message. */
const containers: Rule[] = [
  [/^the image of (\S+) can't be pulled(.*)$/s, (_, container, because) => `无法拉取 ${container} 的镜像${colon(because)}`],
  [/^the name of the image of (\S+) is none(.*)$/s, (_, container, because) => `${container} 的镜像名称无效${colon(because)}`],
  [/^the image of (\S+) isn't on the node, and may not be pulled \(imagePullPolicy: Never\)$/, (_, container) => `节点上没有 ${container} 的镜像，也不允许拉取（imagePullPolicy: Never）`],
  [/^the image of (\S+) can't be looked at(.*)$/s, (_, container, because) => `无法检查 ${container} 的镜像${colon(because)}`],
  [/^(\S+) needs a Secret, a ConfigMap or a key of one that isn't there(.*)$/s, (_, container, because) => `${container} 需要的 Secret、ConfigMap 或其中的键不存在${colon(because)}`],
  [/^the node can't make (\S+?)((?:: .*)?)$/s, (_, container, because) => `节点无法创建 ${container}${colon(because)}`],
  [/^(\S+) ends again and again(.*)$/s, (_, container, because) => `${container} 反复退出${colon(because)}`],
  [/^no node has room for it: (.+)$/s, (_, message) => `没有节点放得下它：${message}`],
  [/^the scheduler failed: (.+)$/s, (_, message) => `调度器失败：${message}`],
  [/^Kubernetes says of (\S+): (.+)$/s, (_, container, message) => `Kubernetes 对 ${container} 的说明：${message}`],
  [/^(Slurm|Kubernetes) says:? (.+)$/s, (_, who, message) => `${who} 的说明：${message}`],
  [/^a node that it asks for is down, drained or reserved \((.+)\)$/, (_, nodes) => `它要求的节点已停机、排空或被预留（${nodes}）`],
]

/** The end of a job or a Pod, behind its name. */
const ends: Rule[] = [
  [/^ended as it was told$/, () => '按要求结束'],
  [/^ended by itself with exit code 0$/, () => '自行结束，退出码 0'],
  [/^could not be launched \(exit code 0:53\): .*$/, () => '无法启动（退出码 0:53）：多半是输出目录不存在；状态目录在节点共享的磁盘上吗？如果没有共享磁盘，请写 `node_folder`'],
  [/^was cancelled, and not by this manager .*$/, () => '被取消，且不是由本管理器取消（`scancel`，或管理员）'],
  [/^is being ended by Slurm, and not by this manager$/, () => '正被 Slurm 结束，且不是由本管理器'],
  [/^reached its time limit; a longer `time` lets it serve longer$/, () => '到达时间上限；更长的 `time` 可让它服务更久'],
  [/^was preempted: a job with a higher claim has its place$/, () => '被抢占：更高优先级的作业占用了它的位置'],
  [/^was lost with its node(.*)$/s, (_, because) => `随节点一起丢失${colon(because)}`],
  [/^used more memory than it had asked for; a larger `mem` lets it serve$/, () => '使用的内存超过申请量；请加大 `mem`'],
  [/^was ended because its deadline was over; .*$/, () => '因截止时间已过而结束；请在 `extra` 里写更晚的 `--deadline`，或不写'],
  [/^asks for what no node has; change .*$/, () => '要求没有节点能满足；修改 `gres`、`constraint`、`mem`、`cpus` 或 `time`'],
  [/^is over, and Slurm (doesn't know it any more|doesn't say how)$/, (_, what) => `已结束，${what === "doesn't say how" ? '但 Slurm 没有说明原因' : 'Slurm 已不再知道它'}`],
  [/^has not ended$/, () => '尚未结束'],
  [/^was deleted, and not by this manager \((.*)\)$/s, (_, by) => `被删除，且不是由本管理器（${by}）`],
  [/^was refused by its node \((.*)\)$/s, (_, why) => `被节点拒绝（${why}）`],
  [/^was evicted( by its node)?(.*)$/s, (_, node, because) => `被${node ? '节点' : ''}驱逐${colon(because)}`],
  [/^was taken from its node(.*)$/s, (_, because) => `被移出节点${colon(because)}`],
  [/^could not start its server: (.*)$/s, (_, why) => `无法启动服务：${why}`],
  [/^failed: (.+)$/s, (say, why) => `失败：${say(why)}`],
]

/** How a process ended there. */
const exits: Rule[] = [
  [/^exit code (\d+), so (?:its server|it) was killed by signal (\d+)$/, (_, code, signal) => `退出码 ${code}，即被信号 ${signal} 终止`],
  [/^exit code 95: .*$/, () => '退出码 95：无法在那里的 `node_folder` 中创建目录；请写一个可写入的目录'],
  [/^exit code 127: a command was not found (on the node|in the image)$/, (_, where) => `退出码 127：${where === 'in the image' ? '镜像中' : '节点上'}找不到某个命令`],
  [/^exit code 126: its (?:script|command) can't be run.*$/, () => '退出码 126：脚本或命令无法运行'],
  [/^killed by SIGKILL; if nobody did it, the node's memory ran out$/, () => '被 SIGKILL 终止；如果无人这样做，就是节点内存用尽'],
  [/^killed: it used more memory than its limit$/, () => '被终止：使用的内存超过上限'],
  [/^(exit code \S+|killed by .+)$/, (_, how) => exit(how)],
]

export const cluster: Rule[] = [
  [/^it isn't known yet whether Slurm has taken the job: (.+)$/s, (_, why) => `尚不清楚 Slurm 是否接受了作业：${why}`],
  [/^(the job|job \d+) is in Slurm's queue: (.+) \((\w+)(?:, expected to start at (.+))?\)$/s, (say, job, why, word, start) => `${whose(job)} 在 Slurm 的队列中：${say(why)}（${word}${start ? `，预计开始于 ${start}` : ''}）`],
  [/^(the job|job \d+|Pod \S+) would wait for ever: (.+) \((.*)\)$/s, (say, job, why, word) => `${whose(job)} 会一直等下去：${say(why)}（${word}）`],
  [/^(the job|job \d+) has begun on (\S+), and hasn't said yet where it serves$/, (_, job, node) => `${whose(job)} 已在 ${node} 上开始，尚未报告服务地址`],
  [/^Pod (\S+) isn't made yet: (.+)$/s, (_, pod, why) => `Pod ${pod} 尚未创建：${why}`],
  [/^Pod (\S+) waits: (.+?)(?: \((\w+)\))?$/s, (say, pod, why, word) => `Pod ${pod} 在等待：${say(why)}${word ? `（${word}）` : ''}`],
  [/^(job \d+|Pod \S+) (.+)$/s, (_, job, what) => ending(job, what)],
  ...containers,
  ...exits,
  [/^(.+)$/s, (_, text) => waits[text] ?? null],
]

const colon = (because: string | undefined) => (because ? `：${because.replace(/^: /, '')}` : '')

/** The node may stand anywhere behind the verb. */
function ending(job: string, what: string): string | null {
  const node = / on (\S+?)(?=[;:]| as | by itself| with | because| \(|, and |$)/.exec(what)
  const rest = node ? what.replace(node[0], '') : what
  const said = by([...ends, ...containers], within, rest)
  return said === rest ? null : `${whose(job)}${node ? `（节点 ${node[1]}）` : ''} ${said}`
}

const within = (text: string): string => by([...exits, ...containers], within, text)
