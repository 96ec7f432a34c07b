import type { ConfigProblem } from '@/shared/api/client'
import { texts, useTexts } from '@/shared/i18n/texts'
import { type StatusKind, StatusMark } from '@/shared/ui/Status'

const all = texts({ line: (n: number) => `line ${n}`, hint: 'hint' }, { line: (n: number) => `第 ${n} 行`, hint: '提示' })

interface Props {
  problems: readonly ConfigProblem[]
  kind?: StatusKind
  /** The lines can be gone to. */
  onLine?: (line: number) => void
}

export function Problems({ problems, kind = 'bad', onLine }: Props) {
  const t = useTexts(all)
  return (
    <ul className="grid gap-2" aria-live="polite">
      {problems.map((problem, index) => (
        <li key={index} className="flex gap-2">
          <span className="pt-1">
            <StatusMark kind={kind} />
          </span>
          <div className="min-w-0">
            <p className="wrap-anywhere">
              <code className="font-mono text-[0.93rem] font-medium">{problem.path}</code>
              {problem.line !== null && <LineLink line={problem.line} text={t.line(problem.line)} onLine={onLine} />}
            </p>
            <p className="wrap-anywhere">{problem.message}</p>
            {problem.hint && (
              <p className="text-muted wrap-anywhere">
                {t.hint}: {problem.hint}
              </p>
            )}
          </div>
        </li>
      ))}
    </ul>
  )
}

function LineLink({ line, text, onLine }: { line: number; text: string; onLine: Props['onLine'] }) {
  if (!onLine) return <span className="ml-2 text-muted">{text}</span>
  return (
    <button type="button" className="ml-2 text-accent hover:underline" onClick={() => onLine(line)}>
      {text}
    </button>
  )
}
