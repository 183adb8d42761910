/* The functions of complex numbers that numpy calls when it is imported, and for which wine's C library
   ends the process, under a name as long as that of Windows' library of such functions.  What else numpy
   has from that is passed on: who calculates with complex numbers still ends the process. */
#include <complex.h>
#include <math.h>

#define EXPORT(name, own) " -export:" #name "=" #own
#define P(name) EXPORT(name, ucrtbase.name)

/* A long double is a double on Windows. */
#define OWN(name, value)                                                                           \
    float own_##name##f(float _Complex z) { return (float) (value); }                              \
    double own_##name(double _Complex z) { return value; }                                         \
    __asm__(".section .drectve,\"yn\"\n.ascii \"" EXPORT(name##f, own_##name##f)                   \
            EXPORT(name, own_##name) EXPORT(name##l, own_##name) "\"\n.text");

OWN(creal, __real__ z)
OWN(cimag, __imag__ z)
OWN(cabs, hypot(__real__ z, __imag__ z))
OWN(carg, atan2(__imag__ z, __real__ z))

__asm__(".section .drectve,\"yn\"\n.ascii \""
        P(_cabs) P(_dclass) P(_dpcomp) P(_dsign) P(_fdclass) P(_fdopen) P(_fdpcomp) P(_fdsign) P(_hypotf)
        P(_ldclass) P(acos) P(acosf) P(acosh) P(acoshf) P(acoshl) P(asin) P(asinf) P(asinh) P(asinhf)
        P(asinhl) P(atan) P(atan2) P(atan2f) P(atanf) P(atanh) P(atanhf) P(atanhl) P(cbrt) P(cbrtf) P(cbrtl)
        P(ceil) P(ceilf) P(copysign) P(copysignf) P(copysignl) P(cos) P(cosf) P(cosh) P(coshf) P(exp)
        P(exp2) P(exp2f) P(exp2l) P(expf) P(expm1) P(expm1f) P(expm1l) P(fabs) P(floor) P(floorf) P(fmax)
        P(fmaxf) P(fmin) P(fminf) P(fmod) P(fmodf) P(frexp) P(hypot) P(ldexp) P(log) P(log10) P(log10f)
        P(log1p) P(log1pf) P(log1pl) P(log2) P(log2f) P(logf) P(modf) P(modff) P(nextafter) P(nextafterf)
        P(nextafterl) P(pow) P(powf) P(rint) P(rintf) P(rintl) P(sin) P(sinf) P(sinh) P(sinhf) P(sqrt)
        P(sqrtf) P(tan) P(tanf) P(tanh) P(tanhf) P(trunc) P(truncf) P(truncl)
        P(ccos) P(ccosf) P(ccosl) P(ccosh) P(ccoshf) P(ccoshl) P(cexp) P(cexpf) P(cexpl) P(cpow)
        P(cpowf) P(cpowl) P(csin) P(csinf) P(csinl) P(csinh) P(csinhf) P(csinhl) P(ctan) P(ctanf)
        P(ctanl) P(ctanh) P(ctanhf) P(ctanhl)
        "\"\n.text");
