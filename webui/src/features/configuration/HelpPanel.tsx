/** What the schema says of the key at the cursor, and the keys that may stand beside it. */
import { Plus } from 'lucide-react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Facts } from '@/shared/ui/Panel'
import type { Help } from './choose'
import { ITEM } from './place'
import { defaultOf, rangeOf, typesOf, valuesOf } from './schema'

const all = texts(
  {
    title: 'Help', none: 'Put the cursor on a key: what it means stands here.', missing: 'This version of the manager does not tell its schema.', type: 'Type', default: 'Default', range: 'Range',
    values: 'One of', required: 'Required', yes: 'yes', more: 'May be added here', top: 'The file', hint: 'Ctrl+Space lists them at the cursor', add: (key: string) => `Add ${key}`,
    string: 'text', integer: 'whole number', number: 'number', boolean: 'true or false', array: 'list', object: 'mapping', entry: 'entry',
  },
  {
    title: '说明', none: '把光标放在某个键上，这里会显示它的含义。', missing: '当前版本的管理器不提供配置模式。', type: '类型', default: '默认值', range: '范围',
    values: '可选值', required: '必填', yes: '是', more: '此处还可添加', top: '整个文件', hint: '按 Ctrl+空格 在光标处列出', add: (key: string) => `添加 ${key}`,
    string: '文本', integer: '整数', number: '数字', boolean: 'true 或 false', array: '列表', object: '映射', entry: '条目',
  },
)

type TypeName = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object'

interface Props {
  help: Help | null
  missing: boolean
  /** Null: nothing can be written. */
  onAdd: ((key: string) => void) | null
}

export function HelpPanel({ help, missing, onAdd }: Props) {
  const t = useTexts(all)
  return (
    <aside aria-label={t.title} className="grid content-start gap-3 overflow-y-auto rounded-md border border-line bg-sunken p-4 lg:max-h-[max(24rem,calc(100dvh-21rem))]" tabIndex={0}>
      {help ? <Explained help={help} onAdd={onAdd} /> : <p className="text-muted">{missing ? t.missing : t.none}</p>}
    </aside>
  )
}

function Explained({ help, onAdd }: { help: Help; onAdd: Props['onAdd'] }) {
  const t = useTexts(all)
  const { schema, path } = help
  const values = valuesOf(schema)
  const types = typesOf(schema).map((type) => t[type as TypeName] ?? type)
  const range = rangeOf(schema)
  const preset = defaultOf(schema)
  const rows: [string, React.ReactNode][] = []
  if (types.length > 0) rows.push([t.type, types.join(' / ')])
  if (values.length > 0) rows.push([t.values, <code key="v" className="font-mono text-[0.93rem]">{values.join(', ')}</code>])
  if (range !== null) rows.push([t.range, range])
  if (preset !== null) rows.push([t.default, <code key="d" className="font-mono text-[0.93rem]">{preset}</code>])
  if (help.required) rows.push([t.required, t.yes])
  return (
    <>
      <p className="font-mono text-[0.93rem] wrap-anywhere" aria-live="polite">
        <span className="text-muted">{path.slice(0, -1).map((key) => `${key === ITEM ? t.entry : key} › `).join('')}</span>
        <strong>{path.length === 0 ? t.top : path.at(-1) === ITEM ? t.entry : path.at(-1)}</strong>
      </p>
      {schema.description && <p className="wrap-anywhere">{schema.description}</p>}
      {rows.length > 0 && <Facts rows={rows} />}
      {help.keys.length > 0 && (
        <div className="grid gap-2 border-t border-line pt-3">
          <p className="text-[0.93rem] text-muted">
            {t.more}
            {onAdd && ` · ${t.hint}`}
          </p>
          <ul className="grid gap-2">
            {help.keys.map(({ key, required, note }) => (
              <li key={key} className="min-w-0">
                {onAdd ? (
                  <button type="button" aria-label={t.add(key)} onClick={() => onAdd(key)} className="inline-flex items-center gap-1 font-mono text-[0.93rem] text-accent hover:underline">
                    <Plus size={12} aria-hidden="true" />
                    {key}
                  </button>
                ) : (
                  <span className="font-mono text-[0.93rem]">{key}</span>
                )}
                {required && <span className="ml-2 text-[0.86rem] text-warn">{t.required}</span>}
                <p className="text-[0.9rem] text-muted">{note}</p>
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  )
}
