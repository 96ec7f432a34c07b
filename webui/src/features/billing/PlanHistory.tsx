import type { PlanVersion, PricePlan } from '@/shared/api/types'
import { moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { money } from '@/shared/money/money'
import { Empty } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'

const all = texts(
  {
    title: 'History', none: 'There has never been a plan', from: 'From', source: 'Set by', plan: 'Plan', config: 'config.yaml', api: 'dashboard or API', noPlan: 'no price',
    hour: (price: string) => `${price} per ready hour`, parked: (price: string) => `, ${price} per parked hour`, tier: (limit: string, input: string, output: string) => `${limit}: ${input} in, ${output} out`, any: 'any size',
    upTo: (n: number) => `up to ${n} tokens in`,
  },
  {
    title: '历史', none: '从未有过价格方案', from: '生效', source: '设置者', plan: '方案', config: 'config.yaml', api: '面板或接口', noPlan: '不计费',
    hour: (price: string) => `每就绪小时 ${price}`, parked: (price: string) => `，每休眠小时 ${price}`, tier: (limit: string, input: string, output: string) => `${limit}：输入 ${input}，输出 ${output}`, any: '不限大小',
    upTo: (n: number) => `输入不超过 ${n}`,
  },
)

export function PlanHistory({ history }: { history: PlanVersion[] }) {
  const t = useTexts(all)
  const now = new Date()
  const told = (plan: PricePlan | null): string => {
    if (!plan) return t.noPlan
    if (plan.method === 'hourly') {
      const parked = /[1-9]/.test(plan.parked_per_hour) ? t.parked(money(plan.parked_per_hour, plan.currency)) : ''
      return t.hour(money(plan.per_hour, plan.currency)) + parked
    }
    return plan.tiers.map((tier) => t.tier(tier.max_input === null ? t.any : t.upTo(tier.max_input), money(tier.input, plan.currency), money(tier.output, plan.currency))).join('; ')
  }
  return (
    <Panel title={t.title} flush>
      {history.length === 0 ? (
        <Empty title={t.none} compact />
      ) : (
        <table className="w-full">
          <thead>
            <tr>
              <th scope="col" className="th">{t.from}</th>
              <th scope="col" className="th">{t.source}</th>
              <th scope="col" className="th">{t.plan}</th>
            </tr>
          </thead>
          <tbody>
            {history.map((version) => (
              <tr key={version.id}>
                <td className="td whitespace-nowrap">{moment(new Date(version.valid_from), now)}</td>
                <td className="td whitespace-nowrap">{t[version.source]}</td>
                <td className="td">{told(version.plan)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}
