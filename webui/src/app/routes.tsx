/** Every page: its path, its name, its place in the menu, and the chunk that holds it. */
import {
  Activity, ArrowLeftRight, BellRing, Boxes, ChartColumn, Cpu, Database, FileCog, Footprints, GanttChart, Hourglass, KeyRound, LayoutDashboard, MessageSquareText, Network, ReceiptText,
  ScrollText, Sheet,
} from 'lucide-react'
import { type ComponentType, lazy, type LazyExoticComponent } from 'react'
import type { pageTexts } from '@/shared/pages'

type Page = LazyExoticComponent<ComponentType>

type PageName = Exclude<keyof typeof pageTexts.en, 'now' | 'history' | 'system'>

export interface RouteEntry {
  path: string
  name: PageName
  icon: typeof Activity
  group: 'now' | 'history' | 'system'
  page: Page
}

export const routes: RouteEntry[] = [
  { path: '/', name: 'overview', group: 'now', icon: LayoutDashboard, page: lazy(() => import('@/features/overview/OverviewPage')) },
  { path: '/models', name: 'models', group: 'now', icon: Boxes, page: lazy(() => import('@/features/models/ModelsPage')) },
  { path: '/queue', name: 'queue', group: 'now', icon: Hourglass, page: lazy(() => import('@/features/queue/QueuePage')) },
  { path: '/devices', name: 'devices', group: 'now', icon: Cpu, page: lazy(() => import('@/features/devices/DevicesPage')) },
  { path: '/timeline', name: 'timeline', group: 'now', icon: GanttChart, page: lazy(() => import('@/features/timeline/TimelinePage')) },
  { path: '/playground', name: 'playground', group: 'now', icon: MessageSquareText, page: lazy(() => import('@/features/playground/PlaygroundPage')) },
  { path: '/usage', name: 'usage', group: 'history', icon: ChartColumn, page: lazy(() => import('@/features/usage/UsagePage')) },
  { path: '/statement', name: 'statement', group: 'history', icon: Sheet, page: lazy(() => import('@/features/statement/StatementPage')) },
  { path: '/requests', name: 'requests', group: 'history', icon: ArrowLeftRight, page: lazy(() => import('@/features/requests/RequestsPage')) },
  { path: '/billing', name: 'billing', group: 'history', icon: ReceiptText, page: lazy(() => import('@/features/billing/BillingPage')) },
  { path: '/audit', name: 'audit', group: 'history', icon: Footprints, page: lazy(() => import('@/features/audit/AuditPage')) },
  { path: '/logs', name: 'logs', group: 'system', icon: ScrollText, page: lazy(() => import('@/features/logs/LogsPage')) },
  { path: '/supervision', name: 'supervision', group: 'system', icon: Network, page: lazy(() => import('@/features/supervision/SupervisionPage')) },
  { path: '/data', name: 'data', group: 'system', icon: Database, page: lazy(() => import('@/features/data/DataPage')) },
  { path: '/keys', name: 'keys', group: 'system', icon: KeyRound, page: lazy(() => import('@/features/keys/KeysPage')) },
  { path: '/notifications', name: 'notifications', group: 'system', icon: BellRing, page: lazy(() => import('@/features/notifications/NotificationsPage')) },
  { path: '/configuration', name: 'configuration', group: 'system', icon: FileCog, page: lazy(() => import('@/features/configuration/ConfigurationPage')) },
]

/** Names of models may contain slashes: everything after `/models/` is the name. */
export const ModelPage: Page = lazy(() => import('@/features/model/ModelPage'))
