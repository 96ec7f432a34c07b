/** The talks that this browser keeps: to go on with, to take along, to forget. */
import { Download, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { download } from '@/shared/download'
import { moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button, IconButton } from '@/shared/ui/Button'
import { Sheet } from '@/shared/ui/Dialog'
import { Empty } from '@/shared/ui/Face'
import { type Conversation, drop, list, titleOf } from './conversations'

const all = texts(
  {
    title: 'Conversations', hint: 'Kept in this browser only, the newest 50, without their images.', none: 'No conversation yet', all: 'Export all', forget: 'Forget all',
    export: (title: string) => `Export: ${title}`, drop: (title: string) => `Forget: ${title}`,
  },
  {
    title: '对话', hint: '只保存在此浏览器中，最近 50 个，不含图片。', none: '还没有对话', all: '全部导出', forget: '全部删除',
    export: (title: string) => `导出：${title}`, drop: (title: string) => `删除：${title}`,
  },
)

const file = (found: readonly Conversation[]) => download('conversations.json', `${JSON.stringify(found, null, 2)}\n`, 'application/json')

export function Conversations({ onOpen, onClose }: { onOpen: (one: Conversation) => void; onClose: () => void }) {
  const t = useTexts(all)
  const [found, setFound] = useState(list)
  const forget = (id: string | null) => {
    drop(id)
    setFound(list())
  }
  return (
    <Sheet open onOpenChange={(open) => !open && onClose()} title={t.title}>
      <div className="grid gap-3 p-4">
        <p className="text-[0.93rem] text-muted">{t.hint}</p>
        {found.length === 0 ? (
          <Empty title={t.none} compact />
        ) : (
          <>
            <div className="flex gap-2">
              <Button small onClick={() => file(found)}>
                {t.all}
              </Button>
              <Button small kind="danger" onClick={() => forget(null)}>
                {t.forget}
              </Button>
            </div>
            <ul>
              {found.map((one) => (
                <li key={one.id} className="flex items-center gap-1 border-t border-line py-2">
                  <button type="button" className="min-w-0 flex-1 text-left hover:underline" onClick={() => onOpen(one)}>
                    <span className="block truncate font-medium">{titleOf(one)}</span>
                    <span className="block truncate text-[0.9rem] text-muted">
                      {moment(new Date(one.at), new Date())} · {one.columns.map((column) => column.model).join(', ')}
                    </span>
                  </button>
                  <IconButton label={t.export(titleOf(one))} onClick={() => file([one])}>
                    <Download size={15} />
                  </IconButton>
                  <IconButton label={t.drop(titleOf(one))} onClick={() => forget(one.id)}>
                    <Trash2 size={15} />
                  </IconButton>
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </Sheet>
  )
}
