/** The names of the pages: for the menu, the titles and the links between them. */
import { texts } from '@/shared/i18n/texts'

export const pageTexts = texts(
  {
    overview: 'Overview', models: 'Models', queue: 'Queue', devices: 'Devices', timeline: 'Timeline', playground: 'Playground', usage: 'Usage and cost', statement: 'Statement',
    requests: 'Requests', billing: 'Billing', audit: 'Who did it', logs: 'Logs', notifications: 'Notifications', supervision: 'Supervision', data: 'Data', keys: 'Keys', configuration: 'Configuration',
    now: 'Now', history: 'History', system: 'System',
  },
  {
    overview: '总览', models: '模型', queue: '队列', devices: '设备', timeline: '时间线', playground: '试用台', usage: '用量与费用', statement: '月度账单',
    requests: '请求', billing: '计费', audit: '操作记录', logs: '日志', notifications: '通知', supervision: '监督树', data: '数据', keys: '密钥', configuration: '配置',
    now: '现在', history: '历史', system: '系统',
  },
)
