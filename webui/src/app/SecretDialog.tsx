/** Shows the secret of a key that was just made; it stands outside of the gate, which may close at that moment. */
import { texts, useTexts } from '@/shared/i18n/texts'
import { tellSecret, useSecret } from '@/shared/secret/secret'
import { Button } from '@/shared/ui/Button'
import { Snippet } from '@/shared/ui/Copy'
import { Modal } from '@/shared/ui/Dialog'

const all = texts(
  { title: (name: string) => `The secret of ${name}`, once: 'It is shown only now: the manager keeps nothing but its hash. Copy it to where it is used.', done: 'I have copied it', secret: 'Secret' },
  { title: (name: string) => `${name} 的密钥`, once: '只在此时显示：管理器只保存它的哈希值。请复制到使用它的地方。', done: '我已复制', secret: '密钥' },
)

export function SecretDialog() {
  const t = useTexts(all)
  const told = useSecret()
  if (!told) return null
  return (
    <Modal
      title={t.title(told.name)}
      actions={
        <Button kind="primary" onClick={() => tellSecret(null)}>
          {t.done}
        </Button>
      }
    >
      <div className="grid gap-3 text-text">
        <p>{t.once}</p>
        <Snippet text={told.secret} title={t.secret} label={t.secret} />
      </div>
    </Modal>
  )
}
