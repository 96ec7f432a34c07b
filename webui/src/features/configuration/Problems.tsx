import { texts, useTexts } from '@/shared/i18n/texts'
import { StatusMark } from '@/shared/ui/Status'
import type { ConfigProblem } from './types'

const all = texts({ line: (n: number) => `line ${n}`, hint: 'hint' }, { line: (n: number) => `第 ${n} 行`, hint: '提示' })

export function Problems({ problems }: { problems: ConfigProblem[] }) {
  const t = useTexts(all)
  return (
    <ul className="grid gap-2" aria-live="polite">
      {problems.map((problem, index) => (
        <li key={index} className="flex gap-2">
          <span className="pt-1">
            <StatusMark kind="bad" />
          </span>
          <div className="min-w-0">
            <p className="wrap-anywhere">
              <code className="font-mono text-[0.93rem] font-medium">{problem.path}</code>
              {problem.line !== null && <span className="ml-2 text-muted">{t.line(problem.line)}</span>}
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
