import { useState } from 'react'
import { apiJson, Failure } from '@/shared/api/client'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Field } from '@/shared/ui/Field'

const all = texts(
  {
    title: 'Sign in', key: 'API key', hint: 'One of program.api_keys in config.yaml. It is kept in a cookie that scripts cannot read, until the browser is closed.',
    enter: 'Sign in', wrong: 'This key is not one of the configured ones.', missing: 'This version of the manager has no sign-in for browsers yet.', many: 'Too many wrong keys were tried just now. Wait a moment, then try again.', away: 'The manager cannot be reached. Is it running?',
  },
  {
    title: '登录', key: 'API 密钥', hint: '填写 config.yaml 中 program.api_keys 里的一个。密钥保存在脚本无法读取的 Cookie 中，关闭浏览器后失效。',
    enter: '登录', wrong: '这个密钥不在配置中。', missing: '当前版本的管理器还不支持浏览器登录。', many: '刚才尝试了太多错误的密钥，请稍后再试。', away: '无法连接管理器，它在运行吗？',
  },
)

export default function LoginPage({ onIn }: { onIn: () => void }) {
  const t = useTexts(all)
  const [key, setKey] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function enter() {
    setBusy(true)
    try {
      // The header too: a manager without sessions then says what it lacks, and not that the key is wrong.
      await apiJson('/api/session', { method: 'POST', body: { key }, headers: { Authorization: `Bearer ${key}` } })
      onIn()
    } catch (failure) {
      const { kind, code } = failure instanceof Failure ? failure : { kind: null, code: '' }
      const known = code === 'too_many_attempts' ? t.many : kind === 'missing' ? t.missing : kind === 'unauthorized' ? t.wrong : kind === 'unreachable' ? t.away : null
      setError(known ?? String((failure as Error).message))
    } finally {
      setBusy(false)
    }
  }

  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <form
        className="panel grid w-full max-w-sm gap-4 p-6"
        onSubmit={(event) => {
          event.preventDefault()
          void enter()
        }}
      >
        <h1 className="text-[1.2rem] font-semibold">LLM-Manager: {t.title}</h1>
        <Field label={t.key} hint={t.hint} error={error}>
          {(props) => (
            <input
              {...props}
              type="password"
              className="field"
              autoComplete="current-password"
              autoFocus // eslint-disable-line jsx-a11y/no-autofocus -- the page has this one field
              value={key}
              onChange={(event) => {
                setKey(event.target.value)
                setError(null)
              }}
            />
          )}
        </Field>
        <Button type="submit" kind="primary" disabled={!key || busy}>
          {t.enter}
        </Button>
      </form>
    </main>
  )
}
