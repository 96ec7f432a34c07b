import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Trash2 } from 'lucide-react'
import { useState } from 'react'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { Storage, StorageModel } from '@/shared/api/types'
import { bytes, count, percent } from '@/shared/format/number'
import { day } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { pageTexts } from '@/shared/pages'
import { Button } from '@/shared/ui/Button'
import { Confirm } from '@/shared/ui/Dialog'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { Field } from '@/shared/ui/Field'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'
import { toast } from '@/shared/ui/Toasts'

const all = texts(
  {
    ledger: 'Ledger', onDisk: 'On disk', free: 'of it free', since: 'Rows since', deleting: 'Being deleted',
    models: 'By model', model: 'Model', requests: 'Requests', runs: 'Runs', size: 'Size', share: 'Share', first: 'First seen', orphan: 'not in config.yaml', remove: 'Delete',
    none: 'The ledger is empty', title: (name: string) => `Delete all data of ${name}?`,
    text: (rows: string, runs: string) => `${rows} requests and ${runs} runs are deleted, with their tokens and costs, for good. Reports of the past will no longer have them.`,
    type: 'Type the name of the model to confirm', done: (name: string) => `The data of ${name} are being deleted.`, removeOf: (name: string) => `Delete data of ${name}`, orphans: (n: number) => `${n} no longer configured`,
  },
  {
    ledger: '账本', onDisk: '磁盘占用', free: '其中空闲', since: '明细起于', deleting: '正在删除',
    models: '按模型', model: '模型', requests: '请求', runs: '运行', size: '大小', share: '占比', first: '首次出现', orphan: '不在 config.yaml 中', remove: '删除',
    none: '账本是空的', title: (name: string) => `删除 ${name} 的全部数据？`,
    text: (rows: string, runs: string) => `将永久删除 ${rows} 个请求和 ${runs} 次运行，连同令牌与费用。过去的报表中也不再包含它们。`,
    type: '输入模型名称以确认', done: (name: string) => `正在删除 ${name} 的数据。`, removeOf: (name: string) => `删除 ${name} 的数据`, orphans: (n: number) => `${n} 个已不在配置中`,
  },
)

export default function DataPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const language = useLanguage()
  const client = useQueryClient()
  const [asking, setAsking] = useState<StorageModel | null>(null)
  const storage = useQuery({
    queryKey: keys.storage,
    queryFn: ({ signal }) => apiJson<Storage>('/api/storage', { signal }),
    refetchInterval: (query) => (query.state.error ? false : 10_000),
  })
  const remove = useMutation({
    mutationFn: (model: string) => apiJson(`/api/storage/${model.split('/').map(encodeURIComponent).join('/')}`, { method: 'DELETE' }),
    onSuccess: (_, model) => {
      toast('ok', t.done(model))
      return client.invalidateQueries({ queryKey: keys.storage })
    },
    onError: (error) => toast('bad', error.message),
  })

  return (
    <>
      <PageHead title={names.data} />
      <QueryFace query={storage}>
        {(data) => (
          <div className="grid grid-cols-1 gap-3">
            <Panel title={t.ledger}>
              <dl className="grid gap-3 [grid-template-columns:repeat(auto-fill,minmax(9rem,1fr))]">
                {(
                  [
                    [t.onDisk, bytes(data.total_bytes)],
                    [t.free, bytes(data.free_bytes)],
                    [t.since, data.rows_since ? day(new Date(data.rows_since)) : '–'],
                    [t.deleting, count(data.deleting, language)],
                  ] as const
                ).map(([name, value]) => (
                  <div key={name}>
                    <dt className="text-[0.86rem] text-muted">{name}</dt>
                    <dd className="font-medium">{value}</dd>
                  </div>
                ))}
              </dl>
            </Panel>
            <Panel title={t.models} note={orphans(data) > 0 ? t.orphans(orphans(data)) : undefined} flush>
              {data.models.length === 0 ? <Empty title={t.none} compact /> : <Models data={data} onDelete={setAsking} />}
            </Panel>
          </div>
        )}
      </QueryFace>
      <DeleteDialog key={asking?.model} model={asking} onClose={() => setAsking(null)} onDelete={(model) => remove.mutate(model)} />
    </>
  )
}

const orphans = (data: Storage) => data.models.filter((model) => model.orphan).length

function Models({ data, onDelete }: { data: Storage; onDelete: (model: StorageModel) => void }) {
  const t = useTexts(all)
  const language = useLanguage()
  const whole = data.models.reduce((sum, model) => sum + model.bytes, 0)
  return (
    <table className="w-full">
      <thead>
        <tr>
          <th scope="col" className="th">{t.model}</th>
          {[t.requests, t.runs, t.size, t.share, t.first].map((name) => (
            <th key={name} scope="col" className="th num">{name}</th>
          ))}
          <th scope="col" className="th"><span className="sr-only">{t.remove}</span></th>
        </tr>
      </thead>
      <tbody>
        {data.models.toSorted((a, b) => b.bytes - a.bytes).map((model) => (
          <tr key={model.model}>
            <th scope="row" className="td text-left font-normal">
              <span className="flex flex-wrap items-center gap-2">
                {model.model}
                {model.orphan && <Tag kind="warn">{t.orphan}</Tag>}
              </span>
            </th>
            <td className="td num">{count(model.rows, language)}</td>
            <td className="td num">{count(model.runs, language)}</td>
            <td className="td num">{bytes(model.bytes)}</td>
            <td className="td num text-muted">{percent(whole > 0 ? model.bytes / whole : null)}</td>
            <td className="td num">{model.first_seen ? day(new Date(model.first_seen)) : '–'}</td>
            <td className="td num">
              <Button small kind="danger" aria-label={t.removeOf(model.model)} onClick={() => onDelete(model)}>
                <Trash2 size={13} />
                {t.remove}
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function DeleteDialog({ model, onClose, onDelete }: { model: StorageModel | null; onClose: () => void; onDelete: (name: string) => void }) {
  const t = useTexts(all)
  const language = useLanguage()
  const [typed, setTyped] = useState('')
  if (!model) return null
  return (
    <Confirm open onOpenChange={(open) => !open && onClose()} title={t.title(model.model)} action={t.remove} danger disabled={typed !== model.model} onConfirm={() => onDelete(model.model)}>
      <div className="grid grid-cols-1 gap-3">
        <p>{t.text(count(model.rows, language), count(model.runs, language))}</p>
        <Field label={`${t.type}: ${model.model}`}>
          {(props) => <input {...props} className="field" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />}
        </Field>
      </div>
    </Confirm>
  )
}
