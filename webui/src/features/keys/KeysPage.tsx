/** Who may come in, and with what rights and limits. */
import { useState } from 'react'
import { useSession } from '@/shared/api/session'
import { texts, useTexts } from '@/shared/i18n/texts'
import { pageTexts } from '@/shared/pages'
import { Confirm } from '@/shared/ui/Dialog'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
// What shows a secret must be here before there is one.
import '@/shared/ui/dialogs'
import { KeyForm } from './KeyForm'
import { useKeyOrders, useKeys } from './keys'
import { KeyTable } from './KeyTable'

const all = texts(
  {
    none: 'No key is set: whoever reaches the port may use the models', fresh: 'New key', rotate: 'New secret', revoke: 'Revoke', rotateTitle: (name: string) => `Another secret for ${name}?`, rotateText: 'The old one opens nothing any more, at once. Name, limits and history stay.',
    revokeTitle: (name: string) => `Revoke ${name}?`, revokeText: 'It opens nothing any more, at once. Its requests stay in the ledger.',
  },
  {
    none: '没有设置密钥：能访问端口的人都可以使用模型', fresh: '新密钥', rotate: '更换', revoke: '撤销', rotateTitle: (name: string) => `更换 ${name} 的密钥？`, rotateText: '旧密钥立即失效，名称、限额和历史保持不变。',
    revokeTitle: (name: string) => `撤销 ${name}？`, revokeText: '它立即失效，已有的请求仍保留在账本中。',
  },
)

export default function KeysPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const query = useKeys()
  const wanted = useSession()?.key_wanted === true
  const { add, rotate, revoke } = useKeyOrders(wanted)
  const [asking, setAsking] = useState<{ what: 'rotate' | 'revoke'; name: string } | null>(null)
  return (
    <>
      <PageHead title={names.keys} />
      <QueryFace query={query}>
        {({ keys }) => (
          <div className="grid grid-cols-1 gap-3">
            {keys.length === 0 ? (
              <section className="panel">
                <Empty title={t.none} compact />
              </section>
            ) : (
              <Panel title={names.keys} flush>
                <KeyTable keys={keys} onRotate={(name) => setAsking({ what: 'rotate', name })} onRevoke={(name) => setAsking({ what: 'revoke', name })} />
              </Panel>
            )}
            <Panel title={t.fresh}>
              <KeyForm key={String(keys.length === 0)} first={keys.length === 0} busy={add.isPending} onMake={(key, done) => add.mutate(key, { onSuccess: done })} />
            </Panel>
          </div>
        )}
      </QueryFace>
      {asking && (
        <Confirm
          open
          danger
          onOpenChange={(open) => !open && setAsking(null)}
          title={asking.what === 'rotate' ? t.rotateTitle(asking.name) : t.revokeTitle(asking.name)}
          action={asking.what === 'rotate' ? t.rotate : t.revoke}
          onConfirm={() => (asking.what === 'rotate' ? rotate : revoke).mutate(asking.name)}
        >
          {asking.what === 'rotate' ? t.rotateText : t.revokeText}
        </Confirm>
      )}
    </>
  )
}
