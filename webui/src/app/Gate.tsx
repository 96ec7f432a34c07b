/** Lets those in who may come in; shows the others the login page. */
import { lazy, Suspense, useEffect, useState } from 'react'
import { call, Failure, onUnauthorized } from '@/shared/api/client'

const LoginPage = lazy(() => import('@/features/login/LoginPage'))

type Access = 'asking' | 'in' | 'out'

export function Gate({ children }: { children: React.ReactNode }) {
  const [access, setAccess] = useState<Access>('asking')

  useEffect(() => {
    const off = onUnauthorized(() => setAccess('out'))
    call('/api/models')
      // Unread, the body of an answer that no cache may keep would hold its connection.
      .then((response) => response.text())
      .then(() => setAccess('in'))
      // A manager that is away is not a closed door: the page tells about it itself.
      .catch((error: unknown) => {
        if (!(error instanceof Failure && error.kind === 'unauthorized')) setAccess('in')
      })
    return off
  }, [])

  if (access === 'asking') return null
  if (access === 'in') return children
  return (
    <Suspense fallback={null}>
      <LoginPage onIn={() => setAccess('in')} />
    </Suspense>
  )
}
