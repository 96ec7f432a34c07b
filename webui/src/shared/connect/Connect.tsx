/** What to put into a client: base URL, model, key, and snippets for the usual ones. */
import { origin } from '@/shared/base'
import { useState } from 'react'
import { useSession } from '@/shared/api/session'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { Copy, Snippet } from '@/shared/ui/Copy'
import { Select } from '@/shared/ui/Field'
import { Facts } from '@/shared/ui/Panel'
import list from './clients.json'
import { type Client, fill, NO_KEY } from './fill'

const clients: Client[] = list

const all = texts(
  {
    url: 'Base URL', model: 'Model', key: 'API key', client: 'Client', any: 'any text: no key is set', own: 'one of your keys',
    shell: 'In a terminal', code: 'A program', file: (name: string) => `In ${name}`,
  },
  {
    url: '基础地址', model: '模型', key: 'API 密钥', client: '客户端', any: '任意文本：没有设置密钥', own: '你的某个密钥',
    shell: '在终端中', code: '程序', file: (name: string) => `写入 ${name}`,
  },
)

/** `name`: for this model; otherwise one can be chosen. */
export default function Connect({ name }: { name?: string }) {
  const t = useTexts(all)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const keyed = useSession()?.key_wanted === true
  const firstChat = order.find((known) => models[known]?.mode === 'Chat')
  const [chosen, choose] = useState<string | null>(null)
  const [wanted, setWanted] = useState('curl')
  const model = name ?? chosen ?? firstChat ?? order[0]
  const mode = model === undefined ? undefined : models[model]?.mode
  if (model === undefined || mode === undefined) return null
  const fitting = clients.filter((client) => client.modes[mode])
  const client = fitting.find((known) => known.id === wanted) ?? fitting[0]
  const address = origin()
  const target = { origin: address, model, key: keyed ? 'YOUR_KEY' : null }
  const where = (place: string) => (place === 'shell' ? t.shell : place === 'python' || place === 'node' ? t.code : t.file(place))
  return (
    <div className="grid grid-cols-1 gap-3">
      <Facts
        rows={[
          [t.url, <Value key="url" text={`${address}/v1`} />],
          [
            t.model,
            name === undefined ? (
              <span key="model" className="flex flex-wrap items-center gap-2">
                <Select label={t.model} value={model} options={order.map((known) => [known, known] as const)} onChange={choose} />
                <Copy text={model} />
              </span>
            ) : (
              <Value key="model" text={model} />
            ),
          ],
          [t.key, keyed ? t.own : <span key="key">{`${NO_KEY} (${t.any})`}</span>],
        ]}
      />
      {client && (
        <>
          <Select label={t.client} value={client.id} options={fitting.map((known) => [known.id, known.title] as const)} onChange={setWanted} />
          {client.modes[mode]?.map((step) => (
            <Snippet key={step.where} title={where(step.where)} text={fill(step.text, target)} label={`${client.title}: ${where(step.where)}`} />
          ))}
        </>
      )}
    </div>
  )
}

function Value({ text }: { text: string }) {
  return (
    <span className="flex flex-wrap items-center gap-2">
      <code className="wrap-anywhere">{text}</code>
      <Copy text={text} />
    </span>
  )
}
