import { ChevronDown, ChevronRight, ScrollText } from 'lucide-react'
import { useState } from 'react'
import { Link } from 'react-router'
import type { SupervisionNode } from '@/shared/api/types'
import { whole } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLanguage } from '@/shared/i18n/language'
import { useNow } from '@/shared/live/clock'
import { useLiveModel } from '@/shared/live/store'
import { kindOfActor, StateTag, Tag } from '@/shared/ui/Status'
import { doing } from './doing'
import { logLink, modelOf, type Row, rowsOf, troubles } from './rows'

const all = texts(
  {
    part: 'Part', state: 'State', doing: 'Doing', restarts: 'Restarts', up: 'Up for', exit: 'Last exit', log: 'Log', running: 'running',
    restarting: 'restarting', failed: 'given up', fold: (name: string) => `Fold ${name}`, unfold: (name: string) => `Unfold ${name}`,
    logOf: (name: string) => `Log of ${name}`, troubles: (n: number) => `${n} below not running`,
  },
  {
    part: '部分', state: '状态', doing: '在做什么', restarts: '重启', up: '已运行', exit: '上次退出', log: '日志', running: '运行',
    restarting: '重启中', failed: '已放弃', fold: (name: string) => `折叠 ${name}`, unfold: (name: string) => `展开 ${name}`,
    logOf: (name: string) => `${name} 的日志`, troubles: (n: number) => `下属 ${n} 个未运行`,
  },
)

/** A table with foldable rows: it can be read in any order, and a screen reader knows its levels. */
export function Tree({ root }: { root: SupervisionNode }) {
  const t = useTexts(all)
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set())
  function toggle(path: string) {
    const next = new Set(folded)
    if (!next.delete(path)) next.add(path)
    setFolded(next)
  }
  return (
    <table className="w-full [&_td]:align-middle [&_th]:align-middle">
      <thead>
        <tr>
          <th scope="col" className="th">{t.part}</th>
          <th scope="col" className="th">{t.state}</th>
          <th scope="col" className="th">{t.doing}</th>
          <th scope="col" className="th num">{t.restarts}</th>
          <th scope="col" className="th num">{t.up}</th>
          <th scope="col" className="th">{t.exit}</th>
          <th scope="col" className="th"><span className="sr-only">{t.log}</span></th>
        </tr>
      </thead>
      <tbody>
        {rowsOf(root, folded).map((row) => (
          <TreeRow key={row.node.path} row={row} onToggle={() => toggle(row.node.path)} />
        ))}
      </tbody>
    </table>
  )
}

const indents = ['pl-3', 'pl-8', 'pl-13', 'pl-18', 'pl-23']

function TreeRow({ row, onToggle }: { row: Row; onToggle: () => void }) {
  const t = useTexts(all)
  const language = useLanguage()
  const now = useNow()
  const { node, level, open } = row
  const below = troubles(node)
  // That its actor is there says nothing to a person; what the model does, does.
  const model = useLiveModel(modelOf(node.path) ?? '')
  return (
    <tr data-path={node.path} className="hover:bg-sunken">
      <th scope="row" className={`td text-left font-medium whitespace-nowrap ${indents[Math.min(level, indents.length) - 1]}`}>
        <span className="inline-flex items-center gap-1 align-middle">
          {open === null ? (
            <span className="inline-block w-5" />
          ) : (
            <button type="button" aria-expanded={open} aria-label={open ? t.fold(node.name) : t.unfold(node.name)} onClick={onToggle} className="grid size-5 place-items-center rounded text-muted">
              {open ? <ChevronDown size={14} /> : <ChevronRight size={14} />}
            </button>
          )}
          <Link to={logLink(node.path)} className="hover:underline" title={t.logOf(node.name)}>
            {node.name}
          </Link>
        </span>
      </th>
      <td className="td">
        {model && node.state === 'running' ? <StateTag state={model.state} /> : <Tag kind={kindOfActor(node.state)}>{t[node.state] ?? node.state}</Tag>}
        {open === false && below > 0 && <span className="ml-2 text-warn">{t.troubles(below)}</span>}
      </td>
      <td className="td max-w-96 min-w-52 wrap-anywhere">{doing(node.detail, language) ?? <span className="text-muted">–</span>}</td>
      <td className={`td num ${node.restarts > 0 ? 'text-warn' : 'text-muted'}`}>{node.restarts}</td>
      <td className="td num">{whole((now - Date.parse(node.since)) / 1000)}</td>
      <td className={`td max-w-96 text-[0.93rem] wrap-anywhere ${node.last_exit ? 'min-w-52' : ''}`}>{node.last_exit ?? <span className="text-muted">–</span>}</td>
      <td className="td">
        <Link to={logLink(node.path)} aria-label={t.logOf(node.name)} title={t.logOf(node.name)} className="text-muted hover:text-text">
          <ScrollText size={15} />
        </Link>
      </td>
    </tr>
  )
}
