import { base } from '@/shared/base'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { Failure } from '@/shared/api/client'
import { Boundary } from './Boundary'
import { Gate } from './Gate'
import { SecretDialog } from './SecretDialog'
import { Shell } from './Shell'
import './styles.css'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      gcTime: 5 * 60_000,
      // A refusal stays a refusal; only a manager that is away is asked again.
      retry: (tries, error) => error instanceof Failure && error.kind === 'unreachable' && tries < 3,
    },
  },
})

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <Boundary>
      <QueryClientProvider client={client}>
        <BrowserRouter basename={base || undefined}>
          <Gate>
            <Shell />
          </Gate>
          <SecretDialog />
        </BrowserRouter>
      </QueryClientProvider>
    </Boundary>
  </StrictMode>,
)
