/** Where the next message is written, with pictures if one likes. */
import { ImagePlus, SendHorizontal, Square, X } from 'lucide-react'
import { useRef } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button, IconButton } from '@/shared/ui/Button'
import { Field } from '@/shared/ui/Field'
import { toast } from '@/shared/ui/Toasts'

/** Larger ones no model takes, and the request would be refused for its size. */
const LARGEST = 8 * 1024 * 1024

const all = texts(
  {
    message: 'Message', send: 'Send', stop: 'Stop', image: 'Add images', remove: (n: number) => `Remove image ${n}`, preview: (n: number) => `Image ${n} to be sent`, large: (name: string) => `${name} is larger than 8 MiB`,
    placeholder: 'Write a message; Enter sends, Shift+Enter starts a new line', editing: 'What followed this message will be replaced.', cancel: 'Keep it',
  },
  {
    message: '消息', send: '发送', stop: '停止', image: '添加图片', remove: (n: number) => `移除图片 ${n}`, preview: (n: number) => `待发送的图片 ${n}`, large: (name: string) => `${name} 大于 8 MiB`,
    placeholder: '输入消息；回车发送，Shift+回车换行', editing: '这条消息之后的内容将被替换。', cancel: '保持不变',
  },
)

export interface Draft {
  text: string
  images: string[]
}

interface Props {
  draft: Draft
  onChange: (draft: Draft) => void
  busy: boolean
  disabled: boolean
  onSend: () => void
  onStop: () => void
  /** Of a message that is being changed. */
  onCancel: (() => void) | null
  children?: React.ReactNode
}

const read = (file: File) =>
  new Promise<string>((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(typeof reader.result === 'string' ? reader.result : '')
    reader.onerror = () => reject(reader.error ?? new Error(file.name))
    reader.readAsDataURL(file)
  })

export function Composer({ draft, onChange, busy, disabled, onSend, onStop, onCancel, children }: Props) {
  const t = useTexts(all)
  const picker = useRef<HTMLInputElement>(null)
  async function add(files: Iterable<File>) {
    const pictures = [...files].filter((file) => file.type.startsWith('image/'))
    pictures.filter((file) => file.size > LARGEST).forEach((file) => toast('bad', t.large(file.name)))
    const found = await Promise.all(pictures.filter((file) => file.size <= LARGEST).map(read))
    if (found.length > 0) onChange({ ...draft, images: [...draft.images, ...found] })
  }
  return (
    <form
      className="grid gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        onSend()
      }}
    >
      {onCancel && (
        <p className="flex flex-wrap items-center gap-2 text-[0.93rem] text-warn">
          {t.editing}
          <Button small onClick={onCancel}>
            {t.cancel}
          </Button>
        </p>
      )}
      {draft.images.length > 0 && (
        <ul className="flex flex-wrap gap-2">
          {draft.images.map((image, index) => (
            <li key={index} className="flex items-start">
              <img src={image} alt={t.preview(index + 1)} className="max-h-16 rounded border border-line" />
              <IconButton small label={t.remove(index + 1)} onClick={() => onChange({ ...draft, images: draft.images.filter((_, at) => at !== index) })}>
                <X size={14} />
              </IconButton>
            </li>
          ))}
        </ul>
      )}
      <Field label={t.message} bare>
        {(props) => (
          <textarea
            {...props}
            rows={2}
            className="field resize-none"
            placeholder={t.placeholder}
            value={draft.text}
            onChange={(event) => onChange({ ...draft, text: event.target.value })}
            onPaste={(event) => void add(event.clipboardData.files)}
            onKeyDown={(event) => {
              // Enter also ends a Chinese word in an input method: that one is not ours.
              if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
              event.preventDefault()
              onSend()
            }}
          />
        )}
      </Field>
      <div className="flex flex-wrap items-center gap-2">
        <input ref={picker} type="file" accept="image/*" multiple hidden data-testid="images" onChange={(event) => void add(event.target.files ?? []).then(() => picker.current && (picker.current.value = ''))} />
        <Button kind="quiet" onClick={() => picker.current?.click()}>
          <ImagePlus size={14} />
          {t.image}
        </Button>
        {children}
        {busy ? (
          <Button onClick={onStop} className="ml-auto">
            <Square size={12} />
            {t.stop}
          </Button>
        ) : (
          <Button type="submit" kind="primary" className="ml-auto" disabled={disabled}>
            <SendHorizontal size={14} />
            {t.send}
          </Button>
        )}
      </div>
    </form>
  )
}
