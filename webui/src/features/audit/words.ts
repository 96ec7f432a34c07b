/** What was done, and by whom, in words. An action that this page does not know is shown as the manager calls it. */
import { texts } from '@/shared/i18n/texts'

export const auditTexts = texts(
  {
    start: 'Started', stop: 'Stopped', restart: 'Restarted', park: 'Parked', wake: 'Woke', fail: 'Failed', stop_all: 'Stopped all models', restart_autostart: 'Restarted the models with auto_start', edit_config: 'Edited the configuration',
    reload: 'Applied the configuration', set_price: 'Set a price plan', delete_data: 'Deleted data', rename_data: 'Renamed data', add_key: 'Made a key', revoke_key: 'Revoked a key', rotate_key: 'Renewed a key',
    cancel_request: 'Cancelled a request', view_capture: 'Looked at what was sent', delete_capture: 'Deleted what was kept of a request', pause: 'Paused starts', resume: 'Allowed starts', pause_device: 'Kept models off a device', resume_device: 'Let models use a device', test_notification: 'Tested a notification', shutdown: 'Ended the manager', restart_manager: 'Restarted the manager',
  },
  {
    start: '启动', stop: '停止', restart: '重启', park: '休眠', wake: '唤醒', fail: '失败', stop_all: '停止所有模型', restart_autostart: '重启 auto_start 的模型', edit_config: '修改配置',
    reload: '应用配置', set_price: '设置价格方案', delete_data: '删除数据', rename_data: '重命名数据', add_key: '创建密钥', revoke_key: '吊销密钥', rotate_key: '更换密钥',
    cancel_request: '取消请求', view_capture: '查看收发内容', delete_capture: '删除留存的请求', pause: '暂停启动', resume: '恢复启动', pause_device: '暂不使用设备', resume_device: '恢复使用设备', test_notification: '测试通知', shutdown: '结束管理器', restart_manager: '重启管理器',
  },
)

type Known = keyof typeof auditTexts.en

const isKnown = (action: string): action is Known => Object.hasOwn(auditTexts.en, action)

export function actionOf(action: string, words: Record<Known, string>): string {
  return isKnown(action) ? words[action] : action
}
