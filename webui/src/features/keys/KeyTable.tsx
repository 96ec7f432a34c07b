import { RotateCw, Trash2 } from 'lucide-react'
import { count } from '@/shared/format/number'
import { moment } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { IconButton } from '@/shared/ui/Button'
import { Meter } from '@/shared/ui/Meter'
import { Tag } from '@/shared/ui/Status'
import type { Budget, Key } from './keys'

const all = texts(
  {
    name: 'Name', scopes: 'May', models: 'Models', limits: 'Limits', budget: 'Budget left', expires: 'Expires', orders: 'Orders', all: 'all', never: 'never', none: 'none', expired: 'expired', file: 'config.yaml',
    requests: (n: string) => `${n} requests/min`, tokens: (n: string) => `${n} tokens/min`, day: 'a day', month: 'a month', of: (left: string, amount: string, unit: string, period: string) => `${left} of ${amount} ${unit} ${period}`,
    rotate: (name: string) => `New secret for ${name}`, revoke: (name: string) => `Revoke ${name}`,
  },
  {
    name: '名称', scopes: '权限', models: '模型', limits: '限额', budget: '剩余预算', expires: '到期', orders: '操作', all: '全部', never: '永不', none: '无', expired: '已过期', file: 'config.yaml',
    requests: (n: string) => `${n} 请求/分钟`, tokens: (n: string) => `${n} token/分钟`, day: '每天', month: '每月', of: (left: string, amount: string, unit: string, period: string) => `${period} ${amount} ${unit}，剩余 ${left}`,
    rotate: (name: string) => `更换 ${name} 的密钥`, revoke: (name: string) => `撤销 ${name}`,
  },
)

interface Props {
  keys: Key[]
  onRotate: (name: string) => void
  onRevoke: (name: string) => void
}

export function KeyTable({ keys, onRotate, onRevoke }: Props) {
  const t = useTexts(all)
  const language = useLanguage()
  return (
    <table className="w-full">
      <thead>
        <tr>
          {[t.name, t.scopes, t.models, t.limits, t.budget, t.expires].map((name) => (
            <th key={name} scope="col" className="th">{name}</th>
          ))}
          <th scope="col" className="th">
            <span className="sr-only">{t.orders}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => (
          <tr key={key.name} data-key={key.name}>
            <th scope="row" className="td text-left font-medium">
              {key.name} {key.expired && <Tag kind="bad">{t.expired}</Tag>}
            </th>
            <td className="td">{key.scopes.join(', ')}</td>
            <td className="td wrap-anywhere">{key.models.join(', ') || t.all}</td>
            <td className="td">
              {[key.requests_per_minute !== null && t.requests(count(key.requests_per_minute, language)), key.tokens_per_minute !== null && t.tokens(count(key.tokens_per_minute, language)), [key.priority, key.max_priority && key.max_priority !== key.priority && `≤ ${key.max_priority}`].filter(Boolean).join(' ')]
                .filter(Boolean)
                .join(', ') || t.none}
            </td>
            <td className="td min-w-40">{key.budget ? <Left budget={key.budget} name={key.name} /> : t.none}</td>
            <td className="td whitespace-nowrap">{key.expires ? moment(new Date(key.expires), new Date()) : t.never}</td>
            <td className="td">
              {key.source !== 'made' ? (
                <span className="text-muted">{t.file}</span>
              ) : (
                <span className="flex justify-end">
                  <IconButton label={t.rotate(key.name)} onClick={() => onRotate(key.name)}>
                    <RotateCw size={15} />
                  </IconButton>
                  <IconButton label={t.revoke(key.name)} onClick={() => onRevoke(key.name)}>
                    <Trash2 size={15} />
                  </IconButton>
                </span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Left({ budget: { amount, left, unit, period }, name }: { budget: Budget; name: string }) {
  const t = useTexts(all)
  const share = left === null ? 1 : Number(left) / Math.max(Number(amount), Number.MIN_VALUE)
  return (
    <div className="grid gap-1">
      <span>{t.of(left ?? amount, amount, unit, t[period])}</span>
      <Meter share={share} label={`${name}: ${t.budget}`} kind={share < 0.1 ? 'bad' : share < 0.25 ? 'warn' : 'ok'} />
    </div>
  )
}
