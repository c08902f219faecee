import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

const registry = new Registry()

const requests = new Histogram({
  name: 'pileus_http_request_seconds',
  help: 'Time from a request to the end of its handler',
  labelNames: ['service', 'method', 'route', 'status'],
  buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  registers: [registry],
})

// finding a series by its labels costs more than counting
const series = new Map<string, ReturnType<typeof requests.labels>>()

export function observeRequest(service: string, method: string, route: string, status: number, seconds: number): void {
  const key = `${service} ${method} ${route} ${status}`
  let found = series.get(key)
  if (!found) series.set(key, (found = requests.labels(service, method, route, String(status))))
  found.observe(seconds)
}

/** Counts something that happens. `name` without the prefix. */
export function counter(name: string, help: string): () => void {
  const made = new Counter({ name: `pileus_${name}`, help, registers: [registry] })
  return () => made.inc()
}

/** A value read at each scrape. */
export function gauge(name: string, help: string, read: () => number): void {
  const made: Gauge = new Gauge({
    name: `pileus_${name}`,
    help,
    registers: [registry],
    collect: () => made.set(read()),
  })
}

let processMetrics = false
/** Prometheus' text format. */
export async function renderMetrics(): Promise<{ type: string; text: string }> {
  if (!processMetrics) collectDefaultMetrics({ register: registry })
  processMetrics = true
  return { type: registry.contentType, text: await registry.metrics() }
}
