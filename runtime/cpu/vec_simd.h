// How loops over vectors are compiled: for the machine at hand where the compiler can choose at
// load time.
#ifndef RL_CPU_VEC_SIMD_H
#define RL_CPU_VEC_SIMD_H

#ifdef __has_feature
#define RL_HAS_FEATURE(x) __has_feature(x)
#else
#define RL_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    RL_HAS_FEATURE(address_sanitizer) || RL_HAS_FEATURE(thread_sanitizer)
#define RL_SANITIZED 1
#endif

// The resolver runs before a sanitizer is ready.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(RL_SANITIZED)
#define RL_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define RL_SIMD
#endif

// Iterations do not depend on each other, also where the output is the input.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"  // a loop that stays scalar is no fault
#define RL_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define RL_INDEPENDENT _Pragma("GCC ivdep")
#endif

#endif
