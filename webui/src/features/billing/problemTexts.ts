import { texts } from '@/shared/i18n/texts'

export const problemTexts = texts(
  {
    missing: 'is missing',
    decimal: 'is not a decimal like 0.8',
    digits: 'has more than 6 digits behind the point',
    currency: 'three capital letters',
    no_tiers: 'Without a tier nothing has a price.',
    too_many_tiers: 'More than 64 tiers.',
    limit: 'is not a whole number',
    unreachable: (tier: number) => `Never used: whatever fits here fits in tier ${tier} before it. Put the smaller tier first.`,
  },
  {
    missing: '缺失',
    decimal: '不是 0.8 这样的小数',
    digits: '小数点后超过 6 位',
    currency: '三个大写字母',
    no_tiers: '没有价格档就没有价格。',
    too_many_tiers: '价格档超过 64 个。',
    limit: '不是整数',
    unreachable: (tier: number) => `永远用不到：符合这里的请求都已符合前面的第 ${tier} 档。请把较小的档放在前面。`,
  },
)
