/** A question that has to be answered first. Radix keeps focus and Escape; our own backdrop needs no inline style. */
import { AlertDialog, Dialog as Radix } from 'radix-ui'
import { X } from 'lucide-react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button, IconButton } from './Button'

const all = texts({ cancel: 'Cancel', close: 'Close' }, { cancel: '取消', close: '关闭' })

interface ConfirmProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  children: React.ReactNode
  action: string
  onConfirm: () => void
  danger?: boolean
  disabled?: boolean
}

export function Confirm({ open, onOpenChange, title, children, action, onConfirm, danger, disabled }: ConfirmProps) {
  const t = useTexts(all)
  return (
    <AlertDialog.Root open={open} onOpenChange={onOpenChange}>
      <AlertDialog.Portal>
        <div className="fixed inset-0 z-40 bg-[#00000080]" />
        <AlertDialog.Content className="panel fixed top-1/2 left-1/2 z-50 grid w-[min(32rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 gap-3 p-5">
          <AlertDialog.Title className="text-[1.1rem] font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description asChild>
            <div className="text-muted">{children}</div>
          </AlertDialog.Description>
          <div className="mt-2 flex justify-end gap-2">
            <AlertDialog.Cancel asChild>
              <Button>{t.cancel}</Button>
            </AlertDialog.Cancel>
            <AlertDialog.Action asChild onClick={onConfirm}>
              <Button kind={danger ? 'danger' : 'primary'} disabled={disabled}>
                {action}
              </Button>
            </AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

interface SheetProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  children: React.ReactNode
  side?: 'left' | 'right'
}

/** A panel at the side: the menu on a phone, the details of a row. */
export function Sheet({ open, onOpenChange, title, children, side = 'right' }: SheetProps) {
  const t = useTexts(all)
  const edge = side === 'left' ? 'left-0 border-r w-64' : 'right-0 border-l w-[min(34rem,100vw)]'
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <div className="fixed inset-0 z-40 bg-[#00000080]" />
        <Radix.Content
          aria-describedby={undefined}
          className={`fixed inset-y-0 z-50 flex max-w-full flex-col overflow-y-auto border-line bg-surface ${edge}`}
        >
          <div className="flex items-center justify-between border-b border-line py-2 pr-2 pl-4">
            <Radix.Title className="font-semibold">{title}</Radix.Title>
            <Radix.Close asChild>
              <IconButton label={t.close}>
                <X size={16} />
              </IconButton>
            </Radix.Close>
          </div>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
