/** When a run began; opens where the time of its start went, where that is kept. */
import { texts, useTexts } from '@/shared/i18n/texts'

const all = texts({ open: (time: string) => `${time}: where the time of this start went` }, { open: (time: string) => `${time}：这次启动的时间花在哪里` })

export function StartButton({ run, text, onOpen }: { run: number | null; text: string; onOpen: (run: number) => void }) {
  const t = useTexts(all)
  if (run === null) return text
  return (
    <button type="button" aria-label={t.open(text)} className="underline decoration-line-strong decoration-dotted underline-offset-3 hover:decoration-solid" onClick={() => onOpen(run)}>
      {text}
    </button>
  )
}
