/** Looks for a file or a folder on the manager's machine, where the browser can't see. */
import { useQuery } from '@tanstack/react-query'
import { CornerLeftUp, File, Folder } from 'lucide-react'
import { useState } from 'react'
import { apiJson, withQuery } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { Folder as FolderView } from '@/shared/api/types'
import { bytes } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Modal } from '@/shared/ui/Dialog'
import { Empty, QueryFace } from '@/shared/ui/Face'

const all = texts(
  { file: 'Choose a file', folder: 'Choose a folder', up: 'One folder up', here: 'Use this folder', close: 'Cancel', none: 'Nothing to choose here', cut: 'There is more in this folder than is listed.', entries: 'In this folder' },
  { file: '选择文件', folder: '选择目录', up: '上一级目录', here: '使用此目录', close: '取消', none: '这里没有可选的内容', cut: '此目录的内容未全部列出。', entries: '此目录中' },
)

interface Props {
  /** Endings of the files that may be chosen; none: a folder is wanted. */
  endings: readonly string[]
  onChoose: (path: string) => void
  onClose: () => void
}

export function FilePicker({ endings, onChoose, onClose }: Props) {
  const t = useTexts(all)
  const [folder, setFolder] = useState('')
  const query = useQuery({
    queryKey: keys.files(folder),
    queryFn: ({ signal }) => apiJson<FolderView>(withQuery('/api/config/files', { folder }), { signal }),
    placeholderData: (before) => before,
  })
  const wantsFolder = endings.length === 0
  const choose = (path: string) => {
    onChoose(path)
    onClose()
  }
  return (
    <Modal
      wide
      title={wantsFolder ? t.folder : t.file}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t.close}</Button>
          {wantsFolder && (
            <Button kind="primary" disabled={!query.data} onClick={() => query.data && choose(query.data.written)}>
              {t.here}
            </Button>
          )}
        </>
      }
    >
      <QueryFace query={query} rows={6} compact>
        {({ folder: path, parent, entries, cut }) => {
          const shown = entries.filter((entry) => entry.bytes === null || endings.some((ending) => entry.name.toLowerCase().endsWith(`.${ending}`)))
          return (
            <div className="grid gap-2">
              <div className="flex items-center gap-2">
                <Button small disabled={parent === null} onClick={() => setFolder(parent ?? '')}>
                  <CornerLeftUp size={14} />
                  {t.up}
                </Button>
                <code className="min-w-0 font-mono text-[0.93rem] wrap-anywhere text-text">{path}</code>
              </div>
              {shown.length === 0 ? (
                <Empty title={t.none} compact />
              ) : (
                <ul aria-label={t.entries} className="h-80 overflow-y-auto rounded-md border border-line">
                  {shown.map((entry) => (
                    <li key={entry.path} className="border-b border-line last:border-0">
                      <button
                        type="button"
                        className="flex w-full items-center gap-2 px-3 py-1.5 text-left text-text -outline-offset-2 hover:bg-sunken"
                        onClick={() => (entry.bytes === null ? setFolder(entry.path) : choose(entry.written))}
                      >
                        {entry.bytes === null ? <Folder size={15} className="shrink-0 text-muted" /> : <File size={15} className="shrink-0 text-muted" />}
                        <span className="min-w-0 flex-1 wrap-anywhere">{entry.name}</span>
                        {entry.bytes !== null && <span className="shrink-0 text-muted">{bytes(entry.bytes)}</span>}
                      </button>
                    </li>
                  ))}
                </ul>
              )}
              {cut && <p className="text-warn">{t.cut}</p>}
            </div>
          )
        }}
      </QueryFace>
    </Modal>
  )
}
