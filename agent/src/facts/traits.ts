// What a host can do, in placement's words. Names: os-traits, and CUSTOM_PILEUS_… where it has none.

// os-traits name → the flag in /proc/cpuinfo.
const cpuFlagOf: Record<string, string> = {
  '3DNOW': '3dnow',
  ABM: 'abm',
  AESNI: 'aes',
  AMXBF16: 'amx_bf16',
  AMXINT8: 'amx_int8',
  AMXTILE: 'amx_tile',
  AVX: 'avx',
  AVX2: 'avx2',
  AVX512BITALG: 'avx512_bitalg',
  AVX512BW: 'avx512bw',
  AVX512CD: 'avx512cd',
  AVX512DQ: 'avx512dq',
  AVX512ER: 'avx512er',
  AVX512F: 'avx512f',
  AVX512GFNI: 'gfni',
  AVX512IFMA: 'avx512ifma',
  AVX512PF: 'avx512pf',
  AVX512VAES: 'vaes',
  AVX512VBMI: 'avx512vbmi',
  AVX512VBMI2: 'avx512_vbmi2',
  AVX512VL: 'avx512vl',
  AVX512VNNI: 'avx512_vnni',
  AVX512VPCLMULQDQ: 'vpclmulqdq',
  AVX512VPOPCNTDQ: 'avx512_vpopcntdq',
  BMI: 'bmi1',
  BMI2: 'bmi2',
  CLMUL: 'pclmulqdq',
  F16C: 'f16c',
  FMA3: 'fma',
  FMA4: 'fma4',
  MMX: 'mmx',
  MPX: 'mpx',
  PDPE1GB: 'pdpe1gb',
  SGX: 'sgx',
  SHA: 'sha_ni',
  SSE: 'sse',
  SSE2: 'sse2',
  SSE3: 'pni',
  SSE41: 'sse4_1',
  SSE42: 'sse4_2',
  SSE4A: 'sse4a',
  SSSE3: 'ssse3',
  STIBP: 'stibp',
  SVM: 'svm',
  TBM: 'tbm',
  TSX: 'rtm',
  VMX: 'vmx',
  XOP: 'xop',
}

// What this agent gives every guest, whatever the host.
const ofEveryHost = [
  'COMPUTE_NODE',
  'COMPUTE_ARCH_X86_64',
  'HW_ARCH_X86_64',
  'COMPUTE_FIRMWARE_BIOS',
  'COMPUTE_GRAPHICS_MODEL_VGA',
  'COMPUTE_IMAGE_TYPE_QCOW2',
  'COMPUTE_IMAGE_TYPE_RAW',
  'COMPUTE_NET_ATTACH_INTERFACE',
  'COMPUTE_NET_VIF_MODEL_VIRTIO',
  'COMPUTE_STORAGE_BUS_VIRTIO',
]

export interface Probed {
  accelerator: 'kvm' | 'tcg'
  cpuFlags: Set<string>
  hasUefi: boolean
  /** What the network side found out. */
  network: string[]
}

/** Sorted, so that the same host always says the same. */
export function traitsOf({ accelerator, cpuFlags, hasUefi, network }: Probed): string[] {
  // Under TCG a guest sees an emulated processor, whatever the host's can do.
  const cpu = accelerator === 'kvm' ? Object.entries(cpuFlagOf).filter(([, flag]) => cpuFlags.has(flag)) : []
  return [
    ...ofEveryHost,
    ...(hasUefi ? ['COMPUTE_FIRMWARE_UEFI'] : []),
    ...cpu.map(([name]) => `HW_CPU_X86_${name}`),
    `CUSTOM_PILEUS_${accelerator.toUpperCase()}`,
    ...network,
  ].toSorted()
}
