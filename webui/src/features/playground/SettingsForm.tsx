/** What is sent beside the messages. */
import { texts, useTexts } from '@/shared/i18n/texts'
import { Field } from '@/shared/ui/Field'
import type { Settings, Wrong } from './settings'

const all = texts(
  {
    settings: 'Settings', system: 'System prompt', temperature: 'Temperature', topP: 'Top-p', most: 'Most tokens', stop: 'Stop words, one per line', json: 'Form of the answer', off: 'Text', object: 'JSON',
    asSchema: 'JSON by a schema', schema: 'JSON Schema', tools: 'Tools (JSON list)', number: 'This number cannot be used', wrongJson: 'This is not valid JSON', list: 'A list of tools is wanted: [ … ]',
  },
  {
    settings: '设置', system: '系统提示词', temperature: '温度', topP: 'Top-p', most: '最多 token 数', stop: '停止词，每行一个', json: '输出格式', off: '文本', object: 'JSON',
    asSchema: '按 schema 的 JSON', schema: 'JSON Schema', tools: '工具（JSON 列表）', number: '此数值不可用', wrongJson: '不是有效的 JSON', list: '需要工具列表：[ … ]',
  },
)

interface Props {
  settings: Settings
  wrong: Partial<Record<keyof Settings, Wrong>>
  onChange: (settings: Settings) => void
}

export function SettingsForm({ settings, wrong, onChange }: Props) {
  const t = useTexts(all)
  const told = (name: keyof Settings) => {
    const found = wrong[name]
    return found === undefined ? null : found === 'json' ? t.wrongJson : t[found]
  }
  const line = (name: 'temperature' | 'topP' | 'most', placeholder = '') => (
    <Field label={t[name]} error={told(name)}>
      {(props) => <input {...props} className="field" inputMode="decimal" placeholder={placeholder} value={settings[name]} onChange={(event) => onChange({ ...settings, [name]: event.target.value })} />}
    </Field>
  )
  const area = (name: 'system' | 'stop' | 'schema' | 'tools', rows: number, code = false) => (
    <Field label={t[name]} error={told(name)}>
      {(props) => (
        <textarea {...props} rows={rows} spellCheck={!code} className={code ? 'field font-mono' : 'field'} value={settings[name]} onChange={(event) => onChange({ ...settings, [name]: event.target.value })} />
      )}
    </Field>
  )
  return (
    <details>
      <summary className="w-max cursor-pointer text-[0.93rem] text-muted">{t.settings}</summary>
      <div className="mt-2 grid max-h-[40dvh] gap-3 items-start overflow-y-auto p-1 sm:grid-cols-3">
        {line('temperature', '0.7')}
        {line('topP', '1')}
        {line('most')}
        {area('system', 2)}
        {area('stop', 2)}
        <Field label={t.json}>
          {(props) => (
            <select {...props} className="field" value={settings.json} onChange={(event) => onChange({ ...settings, json: event.target.value as Settings['json'] })}>
              <option value="off">{t.off}</option>
              <option value="object">{t.object}</option>
              <option value="schema">{t.asSchema}</option>
            </select>
          )}
        </Field>
        {settings.json === 'schema' && area('schema', 4, true)}
        {area('tools', 4, true)}
      </div>
    </details>
  )
}
