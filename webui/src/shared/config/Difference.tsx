import { useMemo } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { cx } from '@/shared/ui/cx'
import { diff, hunks } from './diff'

const all = texts({ changes: 'Changes', added: 'added', removed: 'removed' }, { changes: '改动', added: '新增', removed: '删除' })
const looks = { same: '', added: 'bg-ok-soft text-ok', removed: 'bg-bad-soft text-bad' }
const signs = { same: ' ', added: '+', removed: '-' }

export function Difference({ before, after }: { before: string; after: string }) {
  const t = useTexts(all)
  const lines = useMemo(() => hunks(diff(before, after)), [before, after])
  return (
    <div tabIndex={0} role="group" aria-label={t.changes} className="max-h-80 overflow-auto rounded-md border border-line font-mono text-[0.9rem] text-text">
      {lines.map((line, index) =>
        line === null ? (
          <div key={index} className="bg-sunken px-2 text-muted">
            …
          </div>
        ) : (
          <div key={index} className={cx('min-w-max px-2 whitespace-pre', looks[line.kind])}>
            {line.kind !== 'same' && <span className="sr-only">{t[line.kind]}: </span>}
            <span aria-hidden="true">{signs[line.kind]} </span>
            {line.text}
          </div>
        ),
      )}
    </div>
  )
}
