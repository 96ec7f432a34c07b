/** What the backend wrote in one run, also in one that is long over; opened at its end, where it says why it ended. */
import { ScrollText } from 'lucide-react'
import { lazy, Suspense } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Sheet } from '@/shared/ui/Dialog'
import { Loading } from '@/shared/ui/Face'

const LogView = lazy(() => import('@/shared/log/LogView').then((file) => ({ default: file.LogView })))

const all = texts(
  { log: 'Log', of: (time: string) => `Log of the run of ${time}`, title: (run: number) => `Log of run ${run}` },
  { log: '日志', of: (time: string) => `${time} 那次运行的日志`, title: (run: number) => `运行 ${run} 的日志` },
)

export function RunLogButton({ run, began, onOpen }: { run: number | null; began: string; onOpen: (run: number) => void }) {
  const t = useTexts(all)
  if (run === null) return null
  return (
    <Button small kind="quiet" aria-label={t.of(began)} onClick={() => onOpen(run)}>
      <ScrollText size={14} />
      {t.log}
    </Button>
  )
}

export function RunLogSheet({ run, onClose }: { run: number | null; onClose: () => void }) {
  const t = useTexts(all)
  return (
    <Sheet open={run !== null} onOpenChange={(open) => !open && onClose()} title={run === null ? '' : t.title(run)} wide>
      {run !== null && (
        <Suspense fallback={<Loading rows={8} />}>
          <LogView path={`/api/runs/${run}/logs`} kept className="min-h-0 flex-1 rounded-none! border-0!" />
        </Suspense>
      )}
    </Sheet>
  )
}
