import { X } from 'lucide-react'
import { Link } from 'react-router'
import type { QueuedRequest, RunningRequest } from '@/shared/api/types'
import { whole } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { classTexts } from '@/shared/model/classes'
import { modelLink } from '@/shared/model/link'
import { Button } from '@/shared/ui/Button'
import { left } from './queue'
import { waitsFor } from './waits'

const all = texts(
  {
    place: 'Place', model: 'Model', id: 'Request', class: 'Class', key: 'Key', waits: 'Waits for', waited: 'Waited', estimate: 'Estimate', variant: 'Variant', runs: 'Runs for', cancel: 'Cancel', orders: 'Orders',
    about: (time: string) => `about ${time}`, soon: 'any moment', unknown: 'unknown', of: (id: string) => `Cancel request ${id}`,
  },
  {
    place: '位次', model: '模型', id: '请求', class: '级别', key: '密钥', waits: '等待什么', waited: '已等待', estimate: '预计', variant: '变体', runs: '已处理', cancel: '取消', orders: '操作',
    about: (time: string) => `约 ${time}`, soon: '随时', unknown: '未知', of: (id: string) => `取消请求 ${id}`,
  },
)

interface Props<T> {
  rows: readonly T[]
  /** How many are not shown, in words. */
  more: string | 0
  /** When the rows were true, in milliseconds. */
  askedAt: number
  onCancel: (request: { id: string; model: string }) => void
}

export function WaitingTable({ rows, more, askedAt, onCancel }: Props<QueuedRequest>) {
  const t = useTexts(all)
  const language = useLanguage()
  const ago = Math.max(0, useNow() - askedAt) / 1000
  const estimate = (row: QueuedRequest) => {
    const seconds = left(row, ago)
    return seconds === null ? t.unknown : seconds < 1 ? t.soon : t.about(whole(seconds))
  }
  return (
    <table className="w-full">
      <thead>
        <tr>
          <th scope="col" className="th num">{t.place}</th>
          <Names />
          <th scope="col" className="th">{t.waits}</th>
          <th scope="col" className="th num">{t.waited}</th>
          <th scope="col" className="th">{t.estimate}</th>
          <Orders />
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id} data-waiting={row.id}>
            <td className="td num font-medium">{row.place}</td>
            <Request {...row} />
            <td className="td" title={row.waits_for}>
              <span className="line-clamp-2 min-w-44 wrap-anywhere">{waitsFor(row.waits_for, language)}</span>
            </td>
            <td className="td num">{whole(row.seconds + ago)}</td>
            <td className="td whitespace-nowrap text-muted">{estimate(row)}</td>
            <Cancel row={row} onCancel={onCancel} />
          </tr>
        ))}
        <More text={more} columns={9} />
      </tbody>
    </table>
  )
}

export function RunningTable({ rows, more, askedAt, onCancel }: Props<RunningRequest>) {
  const t = useTexts(all)
  const ago = Math.max(0, useNow() - askedAt) / 1000
  return (
    <table className="w-full">
      <thead>
        <tr>
          <Names />
          <th scope="col" className="th">{t.variant}</th>
          <th scope="col" className="th num">{t.waited}</th>
          <th scope="col" className="th num">{t.runs}</th>
          <Orders />
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id} data-running={row.id}>
            <Request {...row} />
            <td className="td whitespace-nowrap text-muted">{row.variant}</td>
            <td className="td num text-muted">{whole(row.queue_seconds)}</td>
            <td className="td num">{whole(row.seconds + ago)}</td>
            <Cancel row={row} onCancel={onCancel} />
          </tr>
        ))}
        <More text={more} columns={8} />
      </tbody>
    </table>
  )
}

/** What there is no room for on a phone. */
const WIDE = 'max-sm:hidden'

function Names() {
  const t = useTexts(all)
  return (
    <>
      <th scope="col" className="th">{t.model}</th>
      {[t.id, t.class, t.key].map((name) => (
        <th key={name} scope="col" className={`th ${WIDE}`}>{name}</th>
      ))}
    </>
  )
}

function Request({ id, model, class: kind, api_key }: Pick<QueuedRequest, 'id' | 'model' | 'class' | 'api_key'>) {
  const classes = useTexts(classTexts)
  return (
    <>
      <td className="td max-w-64 truncate max-sm:min-w-28 max-sm:whitespace-normal max-sm:wrap-anywhere" title={model}>
        <Link to={modelLink(model)} className="hover:underline">
          {model}
        </Link>
      </td>
      <td className={`td max-w-48 truncate font-mono text-[0.93rem] ${WIDE}`} title={id}>
        {id}
      </td>
      <td className={`td whitespace-nowrap ${WIDE}`}>{classes[kind as keyof typeof classes] ?? kind}</td>
      <td className={`td ${WIDE}`}>{api_key || '–'}</td>
    </>
  )
}

function Orders() {
  const t = useTexts(all)
  return (
    <th scope="col" className="th">
      <span className="sr-only">{t.orders}</span>
    </th>
  )
}

function Cancel({ row, onCancel }: { row: { id: string; model: string }; onCancel: Props<never>['onCancel'] }) {
  const t = useTexts(all)
  return (
    <td className="td py-1!">
      <span className="flex justify-end">
        <Button small aria-label={t.of(row.id)} onClick={() => onCancel({ id: row.id, model: row.model })}>
          <X size={13} />
          {t.cancel}
        </Button>
      </span>
    </td>
  )
}

function More({ text, columns }: { text: string | 0; columns: number }) {
  if (!text) return null
  return (
    <tr>
      <td colSpan={columns} className="td text-muted">
        {text}
      </td>
    </tr>
  )
}
