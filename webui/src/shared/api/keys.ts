/** Keys of the query cache, all in one place. */
export const keys = {
  model: (name: string) => ['model', name] as const,
  lastLine: (name: string) => ['lastLine', name] as const,
  placement: (name: string) => ['placement', name] as const,
  runs: (...parameters: unknown[]) => ['runs', ...parameters] as const,
  shares: (run: number) => ['shares', run] as const,
  supervision: ['supervision'] as const,
  devices: ['devices'] as const,
  deviceHistory: ['deviceHistory'] as const,
  usage: (...parameters: unknown[]) => ['usage', ...parameters] as const,
  requests: (...parameters: unknown[]) => ['requests', ...parameters] as const,
  billing: (model: string) => ['billing', model] as const,
  storage: ['storage'] as const,
  config: ['config'] as const,
  configSchema: ['configSchema'] as const,
  restartNeeded: ['restartNeeded'] as const,
  session: ['session'] as const,
}
