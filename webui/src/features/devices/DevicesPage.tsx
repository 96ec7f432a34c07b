import { Failure } from '@/shared/api/client'
import { FailureFace } from '@/shared/ui/Face'

export default function DevicesPage() {
  return <FailureFace error={new Failure('missing', 404, '', '')} />
}
