import { useMemo, useState } from 'react'
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
import { Speak, Transcribe } from './Audio'
import { Chat } from './Chat'
import { Complete } from './Complete'
import { list } from './conversations'
import { Embed } from './Embed'
import { Rerank } from './Rerank'

const all = texts(
  { model: 'Model', compare: 'Compare with', alone: 'No comparison', beside: (name: string) => `beside ${name}`, other: (mode: string) => `There is no form for models of mode ${mode} here; ask them through their endpoint.` },
  { model: '模型', compare: '对比', alone: '不对比', beside: (name: string) => `对比 ${name}`, other: (mode: string) => `这里没有 ${mode} 模式的表单，请直接调用它的接口。` },
)

const forms: Record<string, (props: { model: string }) => React.ReactNode> = { Embedding: Embed, Reranker: Rerank, Base: Complete, Transcription: Transcribe, Speech: Speak }

export default function PlaygroundPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const loaded = useLive((live) => live.loaded)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const [parameters, setParameters] = useSearchParams()
  // Another round is another talk; what only changes the address goes on with this one.
  const [talk, setTalk] = useState(() => ({ round: 0, id: parameters.get('talk') }))
  const kept = useMemo(() => (talk.id === null ? null : (list().find((one) => one.id === talk.id) ?? null)), [talk])
  if (!loaded) return <Loading />
  if (order.length === 0) return <FirstModel />
  const modeOf = (name: string | null) => (name === null ? undefined : models[name]?.mode)
  const usable = order.filter((name) => modeOf(name) === 'Chat' || forms[modeOf(name) ?? ''])
  const wanted = parameters.get('model')
  const ready = usable.find((name) => models[name]?.state === 'ready' && models[name]?.mode === 'Chat')
  const name = wanted && models[wanted] ? wanted : (ready ?? usable[0] ?? order[0] ?? '')
  const model = models[name]
  const second = parameters.get('with')
  const beside = second !== null && second !== name && modeOf(second) === 'Chat' ? second : null
  const go = (next: Record<string, string | null>) => {
    const all = { ...Object.fromEntries(parameters), model: name, ...next }
    setParameters(Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => !!entry[1])), { replace: true })
  }
  const Form = forms[model?.mode ?? '']

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
              {beside && t.beside(beside)}
            </span>
          )
        }
      >
        <Select
          label={t.model}
          value={name}
          onChange={(next) => go({ model: next })}
          options={order.map((one) => [one, `${one} (${models[one]?.mode ?? ''})`] as const)}
          className="max-w-80"
        />
        {model?.mode === 'Chat' && (
          <Select
            label={t.compare}
            value={beside ?? ''}
            onChange={(next) => go({ with: next })}
            options={[['', t.alone], ...order.filter((one) => one !== name && modeOf(one) === 'Chat').map((one) => [one, one] as const)]}
            className="max-w-64"
          />
        )}
      </PageHead>
      {model?.mode === 'Chat' && (
        <Chat
          key={talk.round}
          models={beside ? [name, beside] : [name]}
          kept={kept}
          onKept={(id) => parameters.get('talk') !== id && go({ talk: id })}
          onOpen={(one) => {
            const [left, right] = one.columns
            go({ model: left && models[left.model] ? left.model : name, with: right?.model ?? null, talk: one.id })
            setTalk({ round: talk.round + 1, id: one.id })
          }}
          onFresh={() => {
            go({ talk: null })
            setTalk({ round: talk.round + 1, id: null })
          }}
        />
      )}
      {model && Form && <Form key={name} model={name} />}
      {model && !Form && model.mode !== 'Chat' && <Empty title={t.other(model.mode)} />}
    </>
  )
}
