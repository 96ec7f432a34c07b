import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { PenLine, Trash2 } from 'lucide-react'
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
import { Empty, QueryFace } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Tag } from '@/shared/ui/Status'
import { toast } from '@/shared/ui/Toasts'
import { DeleteDialog } from './DeleteDialog'
import { RenameDialog } from './RenameDialog'

const all = texts(
  {
    ledger: 'Ledger', onDisk: 'On disk', free: 'of it free', since: 'Rows since', deleting: 'Being deleted', kept: 'Rows are kept for', days: (n: number) => `${n} day${n === 1 ? '' : 's'}`, keptHint: 'program.log_retention_days in config.yaml says how long; sums for reports stay.', was: (names: string) => `was ${names}`,
    models: 'By model', model: 'Model', requests: 'Requests', runs: 'Runs', size: 'Size', share: 'Share', first: 'First seen', orphan: 'not in config.yaml', remove: 'Delete',
    none: 'The ledger is empty',
    rename: 'Rename', renameOf: (name: string) => `Rename data of ${name}`, renamed: (name: string) => `The data are those of ${name} now.`, done: (name: string) => `The data of ${name} are being deleted.`, removeOf: (name: string) => `Delete data of ${name}`, orphans: (n: number) => `${n} no longer configured`,
  },
  {
    ledger: '账本', onDisk: '磁盘占用', free: '其中空闲', since: '明细起于', deleting: '正在删除', kept: '明细保留', days: (n: number) => `${n} 天`, keptHint: '保留时长由 config.yaml 的 program.log_retention_days 决定；报表的汇总会一直保留。', was: (names: string) => `曾用名 ${names}`,
    models: '按模型', model: '模型', requests: '请求', runs: '运行', size: '大小', share: '占比', first: '首次出现', orphan: '不在 config.yaml 中', remove: '删除',
    none: '账本是空的',
    rename: '重命名', renameOf: (name: string) => `重命名 ${name} 的数据`, renamed: (name: string) => `数据现已归入 ${name}。`, done: (name: string) => `正在删除 ${name} 的数据。`, removeOf: (name: string) => `删除 ${name} 的数据`, orphans: (n: number) => `${n} 个已不在配置中`,
  },
)

export default function DataPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const language = useLanguage()
  const client = useQueryClient()
  const [asking, setAsking] = useState<StorageModel | null>(null)
  const [renaming, setRenaming] = useState<StorageModel | null>(null)
  const storage = useQuery({
    queryKey: keys.storage,
    queryFn: ({ signal }) => apiJson<Storage>('/api/storage', { signal }),
    refetchInterval: (query) => (query.state.error ? false : 10_000),
  })
  const path = (model: string) => `/api/storage/${model.split('/').map(encodeURIComponent).join('/')}`
  const rename = useMutation({
    mutationFn: ({ from, to, merge }: { from: string; to: string; merge: boolean }) => apiJson(`${path(from)}/rename`, { method: 'POST', body: { to, merge } }),
    onSuccess: (_, { to }) => {
      toast('ok', t.renamed(to))
      return client.invalidateQueries({ queryKey: keys.storage })
    },
    onError: (error) => toast('bad', error.message),
  })
  const remove = useMutation({
    mutationFn: (model: string) => apiJson(path(model), { method: 'DELETE' }),
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
                    [t.kept, t.days(data.retention_days)],
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
              <p className="mt-3 text-[0.93rem] text-muted">{t.keptHint}</p>
            </Panel>
            <Panel title={t.models} note={orphans(data) > 0 ? t.orphans(orphans(data)) : undefined} flush>
              {data.models.length === 0 ? <Empty title={t.none} compact /> : <Models data={data} onDelete={setAsking} onRename={setRenaming} />}
            </Panel>
          </div>
        )}
      </QueryFace>
      {renaming && (
        <RenameDialog
          model={renaming}
          others={storage.data?.models ?? []}
          onClose={() => setRenaming(null)}
          onRename={(to, merge) => {
            rename.mutate({ from: renaming.model, to, merge })
            setRenaming(null)
          }}
        />
      )}
      <DeleteDialog key={asking?.model} model={asking} onClose={() => setAsking(null)} onDelete={(model) => remove.mutate(model)} />
    </>
  )
}

const orphans = (data: Storage) => data.models.filter((model) => model.orphan).length

function Models({ data, onDelete, onRename }: { data: Storage; onDelete: (model: StorageModel) => void; onRename: (model: StorageModel) => void }) {
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
            <th scope="row" className="td min-w-44 text-left font-normal">
              <span className="flex flex-wrap items-center gap-2">
                {model.model}
                {model.former_names.length > 0 && <span className="text-[0.93rem] text-muted">{t.was(model.former_names.join(', '))}</span>}
                {model.orphan && <Tag kind="warn">{t.orphan}</Tag>}
              </span>
            </th>
            <td className="td num">{count(model.rows, language)}</td>
            <td className="td num">{count(model.runs, language)}</td>
            <td className="td num">{bytes(model.bytes)}</td>
            <td className="td num text-muted">{percent(whole > 0 ? model.bytes / whole : null)}</td>
            <td className="td num">{model.first_seen ? day(new Date(model.first_seen)) : '–'}</td>
            <td className="td num">
              {model.orphan && (
                <Button small className="mr-1.5" aria-label={t.renameOf(model.model)} onClick={() => onRename(model)}>
                  <PenLine size={13} />
                  {t.rename}
                </Button>
              )}
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
