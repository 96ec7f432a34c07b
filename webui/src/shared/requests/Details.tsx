import { Link } from 'react-router'
import type { RequestRow } from '@/shared/api/types'
import { count } from '@/shared/format/number'
import { duration } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { modelLink } from '@/shared/model/link'
import { costs, money } from '@/shared/money/money'
import { Sheet } from '@/shared/ui/Dialog'
import { Facts } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'
import { kindOfOutcome } from './outcome'
import { Sent } from './Sent'

const all = texts(
  {
    title: 'Request', id: 'Id', model: 'Model', variant: 'Variant', mode: 'Mode', endpoint: 'Endpoint', key: 'Key', outcome: 'How it ended', status: 'HTTP status', error: 'Error',
    started: 'Started', ended: 'Ended', queue: 'Waited for the model', first: 'First byte after', total: 'In all', input: 'Input tokens', cached: 'of them cached',
    output: 'Output tokens', reasoning: 'of them reasoning', source: 'Counts come from', cost: 'Cost', share: 'Share of its run', shareHint: 'of the run’s hourly price and electricity; not billed on its own', run: 'Run', replayed: 'Sent twice', yes: 'yes', no: 'no', asked: 'Asked for as', stream: 'As a stream', agent: 'User-Agent', address: 'Address',
    backend: 'the backend', estimated: 'an estimate', none: 'nowhere: they are unknown', no_plan: 'the model had no price plan', no_tier: 'no tier matched',
    no_counts: 'unknown counts cannot be priced', too_big: 'more than the ledger can hold', hourly: 'the run pays by the hour', priced: 'priced',
  },
  {
    title: '请求', id: '编号', model: '模型', variant: '变体', mode: '模式', endpoint: '接口', key: '密钥', outcome: '结果', status: 'HTTP 状态', error: '错误',
    started: '开始', ended: '结束', queue: '等待模型', first: '首字节', total: '总用时', input: '输入 token', cached: '其中缓存',
    output: '输出 token', reasoning: '其中推理', source: '计数来源', cost: '费用', share: '所属运行的分摊', shareHint: '按小时价格与电费分摊，不单独计费', run: '运行', replayed: '重发过', yes: '是', no: '否', asked: '请求的名称', stream: '流式', agent: 'User-Agent', address: '地址',
    backend: '后端', estimated: '估算', none: '未知', no_plan: '该模型没有价格方案', no_tier: '没有匹配的价格档',
    no_counts: 'token 数未知，无法计价', too_big: '超出账本上限', hourly: '按运行时长计费', priced: '已计价',
  },
)

export function Details({ row, onClose }: { row: RequestRow | null; onClose: () => void }) {
  const t = useTexts(all)
  const language = useLanguage()
  return (
    <Sheet open={row !== null} onOpenChange={(open) => !open && onClose()} title={t.title}>
      {row && (
        <div className="p-4">
          <Facts
            rows={[
              [t.id, <code key="id" className="font-mono text-[0.93rem]">{row.request_id}</code>],
              [t.outcome, <Tag key="outcome" kind={kindOfOutcome(row)}>{row.outcome}</Tag>],
              [t.status, row.status || '–'],
              ...(row.error ? [[t.error, row.error] as [string, string]] : []),
              [t.model, row.model ? <Link key="model" to={modelLink(row.model)} className="text-accent hover:underline">{row.model}</Link> : '–'],
              [t.asked, row.asked_model ?? '–'],
              [t.variant, row.variant || '–'],
              [t.mode, row.mode || '–'],
              [t.endpoint, row.endpoint],
              [t.key, row.api_key || '–'],
              [t.stream, row.stream === null ? '–' : row.stream ? t.yes : t.no],
              [t.agent, <span key="agent" className="break-words">{row.user_agent ?? '–'}</span>],
              [t.address, row.address ?? '–'],
              [t.started, new Date(row.started_at).toLocaleString()],
              [t.ended, new Date(row.ended_at).toLocaleString()],
              [t.queue, duration(row.queue_seconds)],
              [t.first, duration(row.first_byte_seconds)],
              [t.total, duration(row.duration_seconds)],
              [t.input, count(row.input_tokens, language)],
              [t.cached, count(row.cached_tokens, language)],
              [t.output, count(row.output_tokens, language)],
              [t.reasoning, count(row.reasoning_tokens, language)],
              [t.source, t[row.usage_source]],
              [t.cost, `${money(row.cost, row.currency, 8)} (${t[row.pricing]})`],
              ...(row.share && Object.keys(row.share).length > 0 ? [[t.share, `${costs(row.share, 8)} (${t.shareHint})`] as [string, string]] : []),
              [t.run, row.run_id === null ? '–' : <Link key="run" to={`${modelLink(row.model)}?tab=runs&run=${row.run_id}`} className="text-accent hover:underline">{row.run_id}</Link>],
              [t.replayed, row.replayed ? t.yes : t.no],
            ]}
          />
          {row.captured && <Sent key={row.id} row={row} />}
        </div>
      )}
    </Sheet>
  )
}
