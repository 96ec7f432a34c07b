/** Whom word goes out to, how that goes, and a test of each. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { NotifyOutlet, NotifyTest } from '@/shared/api/types'
import { duration, moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { pageTexts } from '@/shared/pages'
import { Button } from '@/shared/ui/Button'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { PageHead } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { eventTexts, isEvent } from './words'

const all = texts(
  {
    name: 'Name', to: 'To', events: 'Is told of', everything: 'everything', sent: 'Last sent', state: 'State', never: 'nothing yet', well: 'Well', orders: 'Orders', test: 'Test', testOf: (name: string) => `Test ${name}`, testing: 'Testing',
    arrived: 'The test has arrived', waiting: (n: number) => `${n} waiting`, next: (time: string) => `next try in ${time}`, leftOut: (n: number) => `${n} left out`,
    none: 'No notifications are set up', hint: 'Add an entry to notify in the configuration: a webhook, a command or a mail address.',
  },
  {
    name: '名称', to: '发往', events: '通知内容', everything: '全部', sent: '最近发送', state: '状态', never: '尚无', well: '正常', orders: '操作', test: '测试', testOf: (name: string) => `测试 ${name}`, testing: '测试中',
    arrived: '测试已送达', waiting: (n: number) => `${n} 条等待`, next: (time: string) => `${time}后重试`, leftOut: (n: number) => `丢弃 ${n} 条`,
    none: '没有设置通知', hint: '在配置的 notify 中添加条目：webhook、命令或邮件地址。',
  },
)

export default function NotificationsPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const query = useQuery({
    queryKey: keys.notify,
    queryFn: ({ signal }) => apiJson<NotifyOutlet[]>('/api/notify', { signal }),
    refetchInterval: (now) => (now.state.error ? false : 3000),
  })
  return (
    <>
      <PageHead title={names.notifications} />
      <QueryFace query={query}>
        {(outlets) =>
          outlets.length === 0 ? (
            <Empty title={t.none}>{t.hint}</Empty>
          ) : (
            <ScrollBox label={names.notifications} className="panel">
              <Table outlets={outlets} />
            </ScrollBox>
          )
        }
      </QueryFace>
    </>
  )
}

function Table({ outlets }: { outlets: readonly NotifyOutlet[] }) {
  const t = useTexts(all)
  return (
    <table className="w-full">
      <thead>
        <tr>
          {[t.name, t.to, t.events, t.sent, t.state].map((name) => (
            <th key={name} scope="col" className="th">{name}</th>
          ))}
          <th scope="col" className="th">
            <span className="sr-only">{t.orders}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {outlets.map((outlet) => (
          <Row key={outlet.name} outlet={outlet} />
        ))}
      </tbody>
    </table>
  )
}

function Row({ outlet }: { outlet: NotifyOutlet }) {
  const t = useTexts(all)
  const words = useTexts(eventTexts)
  const now = new Date(useNow())
  const told = outlet.events.length === Object.keys(words).length ? t.everything : outlet.events.map((event) => (isEvent(event) ? words[event] : event)).join(', ')
  return (
    <tr data-outlet={outlet.name}>
      <th scope="row" className="td text-left font-medium">
        {outlet.name} <span className="font-normal text-muted">{outlet.format}</span>
      </th>
      <td className="td wrap-anywhere">{outlet.to}</td>
      <td className="td">{told}</td>
      <td className="td whitespace-nowrap">{outlet.last_sent ? <time dateTime={outlet.last_sent}>{moment(new Date(outlet.last_sent), now)}</time> : t.never}</td>
      <td className="td min-w-56 wrap-anywhere">
        {outlet.last_error === null ? t.well : <span className="text-bad">{outlet.last_error}</span>}
        <span className="flex flex-wrap gap-x-2 text-[0.9rem] text-muted">
          {outlet.waiting > 0 && <span>{t.waiting(outlet.waiting)}</span>}
          {outlet.next_try_seconds !== null && outlet.next_try_seconds > 0 && <span>{t.next(duration(outlet.next_try_seconds))}</span>}
          {outlet.left_out > 0 && <span>{t.leftOut(outlet.left_out)}</span>}
        </span>
      </td>
      <td className="td">
        <Test name={outlet.name} />
      </td>
    </tr>
  )
}

/** Sends a test and says what became of it. */
function Test({ name }: { name: string }) {
  const t = useTexts(all)
  const client = useQueryClient()
  const [said, setSaid] = useState<string | null>(null)
  const test = useMutation({
    mutationFn: () => apiJson<NotifyTest>(`/api/notify/${encodeURIComponent(name)}/test`, { method: 'POST' }),
    onMutate: () => setSaid(null),
    onSuccess: ({ error }) => setSaid(error ?? t.arrived),
    onError: (error: Error) => setSaid(error.message),
    onSettled: () => client.invalidateQueries({ queryKey: keys.notify }),
  })
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Button small aria-label={t.testOf(name)} disabled={test.isPending} onClick={() => test.mutate()}>
        {test.isPending ? t.testing : t.test}
      </Button>
      <span role="status" className="text-[0.9rem] text-muted">{said}</span>
    </div>
  )
}
