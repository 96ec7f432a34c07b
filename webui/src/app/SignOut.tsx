/** Takes the session from this browser; there is none where no key is wanted, or where a proxy brings the key. */
import { useQueryClient } from '@tanstack/react-query'
import { LogOut } from 'lucide-react'
import { apiJson, askForKey } from '@/shared/api/client'
import { useSession } from '@/shared/api/session'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { toast } from '@/shared/ui/Toasts'

const all = texts({ out: 'Sign out' }, { out: '退出登录' })

export function SignOut() {
  const t = useTexts(all)
  const client = useQueryClient()
  const session = useSession()
  if (!session?.signed_in) return null

  async function leave() {
    try {
      await apiJson('/api/session', { method: 'DELETE' })
      // What was read with the key is not left behind for the next person.
      client.clear()
      askForKey()
    } catch (error) {
      toast('bad', (error as Error).message)
    }
  }

  return (
    <Button small kind="quiet" aria-label={t.out} title={t.out} onClick={() => void leave()}>
      <LogOut size={15} aria-hidden="true" />
    </Button>
  )
}
