import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useSearchParams } from 'react-router'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { Billing, PricePlan } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { FirstModel } from '@/shared/model/FirstModel'
import { pageTexts } from '@/shared/pages'
import { FailureFace, Loading } from '@/shared/ui/Face'
import { Select } from '@/shared/ui/Field'
import { PageHead } from '@/shared/ui/Panel'
import { toast } from '@/shared/ui/Toasts'
import { Editor } from './Editor'
import { PlanHistory } from './PlanHistory'

const all = texts(
  { model: 'Model', saved: 'The plan is in force from now on; what was billed before stays as it is.' },
  { model: '模型', saved: '新方案即刻生效；之前的账目保持不变。' },
)

export function billingPath(model: string): string {
  return `/api/billing/${model.split('/').map(encodeURIComponent).join('/')}`
}

export default function BillingPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const loaded = useLive((live) => live.loaded)
  const models = useLive((live) => live.order)
  const [parameters, setParameters] = useSearchParams()
  const client = useQueryClient()
  const model = parameters.get('model') ?? models[0] ?? ''
  const billing = useQuery({
    queryKey: keys.billing(model),
    queryFn: ({ signal }) => apiJson<Billing>(billingPath(model), { signal }),
    enabled: model !== '',
  })
  const save = useMutation({
    mutationFn: (plan: PricePlan | { method: null }) => apiJson<Billing | null>(billingPath(model), { method: 'PUT', body: plan }),
    onSuccess: () => {
      toast('ok', t.saved)
      return client.invalidateQueries({ queryKey: keys.billing(model) })
    },
    onError: (error) => toast('bad', error.message),
  })

  if (!loaded) return <Loading />
  if (models.length === 0) return <FirstModel />
  const missing = billing.error !== null && billing.data === undefined
  return (
    <>
      <PageHead title={names.billing}>
        <Select label={t.model} value={model} onChange={(next) => setParameters({ model: next }, { replace: true })} options={models.map((name) => [name, name] as const)} className="max-w-72" />
      </PageHead>
      {billing.isPending ? (
        <Loading />
      ) : (
        <div className="grid grid-cols-1 gap-3">
          {missing && (
            <section className="panel">
              <FailureFace error={billing.error} retry={() => void billing.refetch()} compact />
            </section>
          )}
          <Editor
            key={`${model} ${billing.dataUpdatedAt}`}
            plan={billing.data?.plan ?? null}
            fromConfig={billing.data?.source === 'config'}
            onSave={missing ? null : (plan) => save.mutate(plan)}
            onEnd={() => save.mutate({ method: null })}
            saving={save.isPending}
          />
          {billing.data && <PlanHistory history={billing.data.history} />}
        </div>
      )}
    </>
  )
}
