/** Words for the nodes of a cluster. */
import type { ClusterJob } from '@/shared/api/types'

/** What a node is good for: jobs begin on one that is up; on one that is drained only those that run go on. */
export function health(online: boolean, drained: boolean): 'up' | 'drained' | 'down' {
  if (!online) return 'down'
  return drained ? 'drained' : 'up'
}

/** `qwen (job 7, 2)`: the model that it serves, else whose it is and its name, with how many devices it has. */
export function jobWords(job: Pick<ClusterJob, 'id' | 'user' | 'name' | 'model' | 'count'>): string {
  const what = job.model ?? `${job.user}: ${job.name}`
  return job.count > 0 ? `${what} (job ${job.id}, ${job.count})` : `${what} (job ${job.id})`
}
