import { useSearchParams } from 'react-router'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { FirstModel } from '@/shared/model/FirstModel'
import { StateNote } from '@/shared/model/StateNote'
import { pageTexts } from '@/shared/pages'
import { Empty, Loading } from '@/shared/ui/Face'
import { Select } from '@/shared/ui/Field'
import { PageHead } from '@/shared/ui/Panel'
import { StateTag } from '@/shared/ui/Status'
import { Chat } from './Chat'
import { Embed } from './Embed'
import { Rerank } from './Rerank'

const all = texts(
  { model: 'Model', other: (mode: string) => `There is no form for models of mode ${mode} here; ask them through their endpoint.` },
  { model: '模型', other: (mode: string) => `这里没有 ${mode} 模式的表单，请直接调用它的接口。` },
)

const MODES = ['Chat', 'Embedding', 'Reranker']

export default function PlaygroundPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const loaded = useLive((live) => live.loaded)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const [parameters, setParameters] = useSearchParams()
  if (!loaded) return <Loading />
  if (order.length === 0) return <FirstModel />
  const usable = order.filter((name) => MODES.includes(models[name]?.mode ?? ''))
  const wanted = parameters.get('model')
  const ready = usable.find((name) => models[name]?.state === 'ready' && models[name]?.mode === 'Chat')
  const name = wanted && models[wanted] ? wanted : (ready ?? usable[0] ?? order[0] ?? '')
  const model = models[name]

  return (
    <>
      <PageHead
        title={names.playground}
        note={
          model && (
            <span className="flex flex-wrap items-center gap-2">
              <StateTag state={model.state} />
              <span className="line-clamp-1">
                <StateNote model={model} />
              </span>
            </span>
          )
        }
      >
        <Select
          label={t.model}
          value={name}
          onChange={(next) => setParameters({ model: next }, { replace: true })}
          options={order.map((one) => [one, `${one} (${models[one]?.mode ?? ''})`] as const)}
          className="max-w-80"
        />
      </PageHead>
      {model?.mode === 'Chat' && <Chat key={name} model={name} />}
      {model?.mode === 'Embedding' && <Embed key={name} model={name} />}
      {model?.mode === 'Reranker' && <Rerank key={name} model={name} />}
      {model && !MODES.includes(model.mode) && <Empty title={t.other(model.mode)} />}
    </>
  )
}
