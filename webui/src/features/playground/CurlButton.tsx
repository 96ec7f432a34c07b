import { origin } from '@/shared/base'
import { Terminal } from 'lucide-react'
import { useState } from 'react'
import { useSession } from '@/shared/api/session'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Snippet } from '@/shared/ui/Copy'
import { Sheet } from '@/shared/ui/Dialog'
import { curlOf, shortened } from './curl'

const all = texts({ show: 'Show as curl', title: 'This request as a command' }, { show: '显示为 curl', title: '此请求对应的命令' })

/** `body` is made when it is asked for. */
export function CurlButton({ path, body }: { path: string; body: () => object }) {
  const t = useTexts(all)
  const keyed = useSession()?.key_wanted === true
  const [text, setText] = useState<string | null>(null)
  return (
    <>
      <Button kind="quiet" onClick={() => setText(curlOf(origin(), path, body(), keyed))}>
        <Terminal size={14} />
        {t.show}
      </Button>
      <Sheet open={text !== null} onOpenChange={(open) => !open && setText(null)} title={t.title}>
        <div className="p-4">
          {text !== null && (
            <Snippet text={text} label={t.title}>
              {shortened(text)}
            </Snippet>
          )}
        </div>
      </Sheet>
    </>
  )
}
