/** Says that the file is not what the manager runs with, and offers to change that. */
import { RotateCw } from 'lucide-react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { StatusMark } from '@/shared/ui/Status'
import { useRestartNeeded } from './file'
import { askToRestart, useRestartPhase } from './restarting'

const all = texts(
  { text: 'Something of the configuration takes effect only when the manager restarts.', now: 'Restart now …' },
  { text: '配置中有内容需要重启管理器后才生效。', now: '立即重启……' },
)

export function RestartNotice() {
  const t = useTexts(all)
  const needed = useRestartNeeded()
  const phase = useRestartPhase()
  if (!needed || phase.at !== 'idle') return null
  return (
    <section role="status" data-notice="restart" className="mb-4 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-md border border-warn bg-warn-soft px-3 py-2">
      <StatusMark kind="warn" />
      <p className="min-w-0 flex-1 basis-60">{t.text}</p>
      <Button small onClick={askToRestart}>
        <RotateCw size={13} />
        {t.now}
      </Button>
    </section>
  )
}
