import { useState } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { classTexts } from '@/shared/model/classes'
import { Button } from '@/shared/ui/Button'
import { Field, Select } from '@/shared/ui/Field'
import { type Draft, EMPTY, wantedOf } from './draft'
import { CLASSES, SCOPES, type Wanted } from './keys'
import { scopeTexts } from './words'

const all = texts(
  {
    name: 'Name', nameHint: 'Reports and limits know the key by it.', scopes: 'Rights', models: 'Models', modelsHint: 'Names, aliases or patterns such as bge*, with commas; empty: all.', expires: 'Last day', requests: 'Requests a minute', tokens: 'Tokens a minute',
    budget: 'Budget', unit: 'Unit of the budget', tokenUnit: 'tokens', period: 'Period of the budget', day: 'a day', month: 'a month', priority: 'Priority', usual: 'as the model has it', most: 'Requests may go up to', mostHint: 'By the header x-llm-manager-priority.', own: 'this priority', below: 'Not below the priority', currency: 'Currency', money: 'money',
    make: 'Create key', number: 'A whole number above 0', amount: 'A decimal like 20.5', wrongUnit: 'Three letters such as CNY', date: 'A day', none: 'Choose at least one',
    first: 'This is the first key: from now on every request wants one, and so does this page. Without admin nobody could change keys here.',
  },
  {
    name: '名称', nameHint: '报表和限额用它来识别密钥。', scopes: '权限', models: '模型', modelsHint: '名称、别名或 bge* 这样的模式，用逗号分隔；留空表示全部。', expires: '最后一天', requests: '每分钟请求数', tokens: '每分钟 token 数',
    budget: '预算', unit: '预算单位', tokenUnit: 'token', period: '预算周期', day: '每天', month: '每月', priority: '优先级', usual: '按模型的设置', most: '请求最高可要求', mostHint: '通过请求头 x-llm-manager-priority。', own: '上述优先级', below: '不能低于优先级', currency: '货币', money: '金额',
    make: '创建密钥', number: '大于 0 的整数', amount: '小数，如 20.5', wrongUnit: '三个字母，如 CNY', date: '日期', none: '至少选择一项',
    first: '这是第一个密钥：此后每个请求都需要密钥，此页面也一样。没有 admin 权限就无人能在此修改密钥。',
  },
)

interface Props {
  first: boolean
  busy: boolean
  onMake: (wanted: Wanted, done: () => void) => void
}

export function KeyForm({ first, busy, onMake }: Props) {
  const t = useTexts(all)
  const scopes = useTexts(scopeTexts)
  const classes = useTexts(classTexts)
  const [draft, setDraft] = useState<Draft>(first ? { ...EMPTY, scopes: ['infer', 'admin'] } : EMPTY)
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change })
  const { wanted, wrong } = wantedOf(draft)
  const told = (name: keyof Draft) => {
    const found = wrong[name]
    return found === undefined ? null : found === 'unit' ? t.wrongUnit : found === 'scopes' ? t.none : t[found]
  }
  const line = (name: 'name' | 'models' | 'requests' | 'tokens', hint?: string) => (
    <Field label={t[name]} hint={hint} error={told(name)}>
      {(props) => <input {...props} className="field" autoComplete="off" spellCheck={false} value={draft[name]} onChange={(event) => set({ [name]: event.target.value })} />}
    </Field>
  )
  const choice = (name: 'priority' | 'most', none: string, hint?: string) => (
    <Field label={t[name]} hint={hint} error={told(name)}>
      {(props) => (
        <select {...props} className="field" value={draft[name]} onChange={(event) => set({ [name]: event.target.value })}>
          <option value="">{none}</option>
          {CLASSES.map((one) => (
            <option key={one} value={one}>
              {classes[one]}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        onMake(wanted, () => setDraft(EMPTY))
      }}
    >
      {first && <p className="rounded-md bg-warn-soft px-3 py-2">{t.first}</p>}
      <div className="grid items-start gap-4 sm:grid-cols-2">
        {line('name', t.nameHint)}
        {line('models', t.modelsHint)}
      </div>
      <fieldset>
        <legend className="mb-1 text-[0.93rem] text-muted">{t.scopes}</legend>
        <div className="flex flex-wrap gap-x-5 gap-y-1">
          {SCOPES.map((scope) => (
            <label key={scope} className="flex min-h-8 items-center gap-2">
              <input
                type="checkbox"
                className="size-4 accent-(--accent)"
                checked={draft.scopes.includes(scope)}
                onChange={(event) => set({ scopes: event.target.checked ? [...draft.scopes, scope] : draft.scopes.filter((other) => other !== scope) })}
              />
              {scopes[scope]}
            </label>
          ))}
        </div>
        {wrong.scopes && <p className="text-[0.9rem] text-bad">{t.none}</p>}
      </fieldset>
      <div className="grid items-start gap-4 sm:grid-cols-2 lg:grid-cols-5">
        {line('requests')}
        {line('tokens')}
        <Field label={t.expires} error={told('expires')}>
          {(props) => <input {...props} type="date" className="field" value={draft.expires} onChange={(event) => set({ expires: event.target.value })} />}
        </Field>
        {choice('priority', t.usual)}
        {choice('most', t.own, t.mostHint)}
      </div>
      <div className="flex flex-wrap items-end gap-2">
        <Field label={t.budget} error={told('budget')} className="w-40">
          {(props) => <input {...props} className="field" inputMode="decimal" value={draft.budget} onChange={(event) => set({ budget: event.target.value })} />}
        </Field>
        <Select label={t.unit} value={draft.unit === 'tokens' ? 'tokens' : 'money'} options={[['tokens', t.tokenUnit], ['money', t.money]]} onChange={(unit) => set({ unit: unit === 'tokens' ? 'tokens' : 'CNY' })} />
        {draft.unit !== 'tokens' && (
          <Field label={t.currency} error={told('unit')} className="w-24">
            {(props) => <input {...props} className="field" maxLength={3} value={draft.unit} onChange={(event) => set({ unit: event.target.value.toUpperCase() })} />}
          </Field>
        )}
        <Select label={t.period} value={draft.period} options={[['day', t.day], ['month', t.month]]} onChange={(period) => set({ period })} />
      </div>
      <Button type="submit" kind="primary" className="justify-self-start" disabled={busy || !wanted.name || Object.keys(wrong).length > 0}>
        {t.make}
      </Button>
    </form>
  )
}
