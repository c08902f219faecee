// Which extra specs there are (docs.openstack.org/nova, "Extra Specs"): since version 2.86 a typo in a known namespace
// is refused. Namespaces of an operator's own are left alone.
import { invalid } from '#lib/fault.ts'

const namespaces =
  /^(accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|pci_passthrough|powervm|quota|resources\d*|trait\d*|vmware|group_policy)(:|$)/

const bool = /^(true|false|1|0|yes|no|on|off|t|f|y|n)$/i
const count = /^\d+$/
const any = /^.*$/s
const known: readonly [key: RegExp, value: RegExp][] = [
  [/^resources(_?[a-zA-Z0-9_-]{1,64})?:[A-Z0-9_]+$/, count],
  [/^trait(_?[a-zA-Z0-9_-]{1,64})?:[A-Z0-9_]+$/, /^(required|forbidden)$/],
  [/^group_policy$/, /^(none|isolate)$/],
  [/^hw:cpu_policy$/, /^(dedicated|shared|mixed)$/],
  [/^hw:cpu_thread_policy$/, /^(prefer|isolate|require)$/],
  [/^hw:emulator_threads_policy$/, /^(isolate|share)$/],
  [/^hw:(cpu_sockets|cpu_cores|cpu_threads|cpu_max_sockets|cpu_max_cores|cpu_max_threads|numa_nodes|watchdog)$/, count],
  [/^hw:(max_vcpu|serial_port_count)$/, count],
  [
    /^hw:(numa_cpus|numa_mem|pci_numa_affinity_policy|cpu_dedicated_mask|cpu_realtime_mask|vif_multiqueue_enabled)/,
    any,
  ],
  [/^hw:(boot_menu|cpu_realtime|hide_hypervisor_id|locked_memory|mem_encryption|pmu|virtio_packed_ring)$/, bool],
  [
    /^hw:(mem_page_size|pmem|maxphysaddr_mode|maxphysaddr_bits|viommu_model|watchdog_action|tpm_version|tpm_model|sound_model|usb_model|redirected_usb_ports)$/,
    any,
  ],
  [/^hw_rng:(allowed)$/, bool],
  [/^hw_rng:(rate_bytes|rate_period)$/, count],
  [/^hw_video:ram_max_mb$/, count],
  [/^os:(secure_boot|monitors|vmkernel)$/, any],
  [/^quota:(cpu|disk|memory|vif)_[a-z_]+$/, any],
  [/^(accel|aggregate_instance_extra_specs|capabilities|pci_passthrough|powervm|vmware):.+$/, any],
]

/** Throws invalid for a spec of a known namespace that does not exist or has a value it cannot have. */
export function requireKnownSpecs(specs: Record<string, string>): void {
  for (const [key, value] of Object.entries(specs)) {
    if (!namespaces.test(key)) continue
    const rule = known.find(([pattern]) => pattern.test(key))
    if (!rule) invalid(`There is no extra spec '${key}'.`)
    if (!rule[1].test(value)) invalid(`The extra spec '${key}' cannot have the value '${value}'.`)
  }
}
