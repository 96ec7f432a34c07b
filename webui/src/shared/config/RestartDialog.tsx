/** Asks before the manager is started again, and shows how that goes. One of it stands in the frame of all pages. */
import { useQueryClient } from '@tanstack/react-query'
import { AlertDialog } from 'radix-ui'
import { useState } from 'react'
import { type ConfigProblem, Failure } from '@/shared/api/client'
import { useSession } from '@/shared/api/session'
import { whole } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { useLive } from '@/shared/live/store'
import { Button } from '@/shared/ui/Button'
import { Modal } from '@/shared/ui/Dialog'
import { StatusMark } from '@/shared/ui/Status'
import { toast } from '@/shared/ui/Toasts'
import { Problems } from './Problems'
import type { Phase } from './restart'
import { dismissRestart, restart, useRestartPhase } from './restarting'

const all = texts(
  {
    title: 'Restart the manager?', now: 'Restart now', cancel: 'Cancel', close: 'Close', what: 'The configuration is read again. While the manager restarts:',
    answers: (n: number) => `${n} running answer${n === 1 ? '' : 's'} may finish within the drain timeout; what takes longer is cut off.`, noAnswers: 'No answer is running; requests that come meanwhile are refused.',
    models: (names: string) => `These models are stopped: ${names}. They start again with the next request for them.`, noModels: 'No model is running.',
    sessions: 'Sign-ins of browsers end: the API key is asked for again.', going: 'The manager restarts', ending: 'Models and manager end', away: 'The manager starts', back: 'This page connects again',
    so_far: (time: string) => `${time} so far`, slow: 'This takes longer than it should. Look at the manager’s log on its machine; this page goes on when it is back.',
    done: 'The manager has restarted.', refused: 'The manager would not come back with this configuration, so it was not stopped:', byHand: 'This system does not let the manager restart itself. Stop it and start it by hand.',
    failed: 'The manager was not restarted',
  },
  {
    title: '重启管理器？', now: '立即重启', cancel: '取消', close: '关闭', what: '重启后会重新读取配置。重启期间：',
    answers: (n: number) => `有 ${n} 个响应正在进行，可在排空时限内完成，超时的会被切断。`, noAnswers: '当前没有进行中的响应；期间到来的请求会被拒绝。',
    models: (names: string) => `这些模型会被停止：${names}。下一个请求会重新启动它们。`, noModels: '当前没有模型在运行。',
    sessions: '浏览器的登录会失效，需要再次输入 API 密钥。', going: '正在重启管理器', ending: '模型与管理器正在结束', away: '管理器正在启动', back: '页面重新连接',
    so_far: (time: string) => `已用 ${time}`, slow: '比预期更久。请在管理器所在的机器上查看日志；它恢复后本页会自动继续。',
    done: '管理器已重启。', refused: '管理器无法用这份配置启动，因此没有停止它：', byHand: '此系统上管理器无法自行重启，请手动停止并启动它。',
    failed: '管理器没有重启',
  },
)

interface Refusal {
  message: string
  problems: readonly ConfigProblem[]
}

export function RestartDialog() {
  const t = useTexts(all)
  const client = useQueryClient()
  const phase = useRestartPhase()
  const [refusal, setRefusal] = useState<Refusal | null>(null)

  async function go() {
    try {
      await restart()
      toast('ok', t.done)
    } catch (error) {
      const failure = error instanceof Failure ? error : null
      setRefusal({ message: failure?.kind === 'missing' ? t.byHand : failure && failure.problems.length > 0 ? t.refused : String((error as Error).message), problems: failure?.problems ?? [] })
    }
    // Whatever was known came from the life before.
    await client.invalidateQueries()
  }

  if (refusal) {
    return (
      <Modal title={t.failed} onClose={() => setRefusal(null)} actions={<AlertDialog.Cancel asChild><Button>{t.close}</Button></AlertDialog.Cancel>}>
        <div className="grid gap-3 text-text">
          <p>{refusal.message}</p>
          {refusal.problems.length > 0 && <Problems problems={refusal.problems} />}
        </div>
      </Modal>
    )
  }
  if (phase.at === 'idle') return null
  if (phase.at !== 'question') {
    return (
      <Modal title={t.going}>
        <Progress phase={phase} />
      </Modal>
    )
  }
  return (
    <Modal
      title={t.title}
      onClose={dismissRestart}
      actions={
        <>
          <AlertDialog.Cancel asChild>
            <Button>{t.cancel}</Button>
          </AlertDialog.Cancel>
          <Button kind="primary" onClick={() => void go()}>
            {t.now}
          </Button>
        </>
      }
    >
      <Consequences />
    </Modal>
  )
}

function Consequences() {
  const t = useTexts(all)
  const models = useLive((live) => live.models)
  const session = useSession()
  const running = Object.values(models).filter((model) => model.state !== 'stopped' && model.state !== 'failed')
  const answers = running.reduce((sum, model) => sum + model.leases, 0)
  return (
    <div className="grid gap-2">
      <p>{t.what}</p>
      <ul className="grid list-disc gap-1.5 pl-5">
        <li>{running.length > 0 ? t.models(running.map((model) => model.name).join(', ')) : t.noModels}</li>
        <li>{answers > 0 ? t.answers(answers) : t.noAnswers}</li>
        {session?.key_wanted && <li>{t.sessions}</li>}
      </ul>
    </div>
  )
}

const STEPS = ['ending', 'away', 'back'] as const

function Progress({ phase }: { phase: Phase }) {
  const t = useTexts(all)
  const now = useNow()
  const at = phase.at === 'asking' ? 0 : phase.at === 'missing' ? 1 : STEPS.findIndex((step) => step === phase.at)
  return (
    <div className="grid gap-3">
      <ol className="grid gap-2" aria-live="polite">
        {STEPS.map((step, index) => (
          <li key={step} className="flex items-center gap-2.5" aria-current={index === at ? 'step' : undefined}>
            <StatusMark kind={index < at ? 'ok' : index === at ? 'busy' : 'off'} />
            <span className={index === at ? 'font-medium text-text' : ''}>{t[step]}</span>
            {index === at && 'since' in phase && <span>{t.so_far(whole((now - phase.since) / 1000))}</span>}
          </li>
        ))}
      </ol>
      {phase.at === 'missing' && <p className="text-warn">{t.slow}</p>}
    </div>
  )
}
