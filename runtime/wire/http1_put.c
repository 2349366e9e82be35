// Response heads: status lines, dates, fields.
#include "runtime/wire/http1_put.h"

#include <stdio.h>
#include <string.h>

static const struct {
  int status;
  const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *rl_http_reason(int status) {
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
    if (reasons[i].status == status) return reasons[i].reason;
  }
  return "Status";
}

static const char days[] = "ThuFriSatSunMonTueWed";  // 1970 began on a Thursday
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

// The civil date of a count of days since 1970, by eras of 400 years that begin in March.
static void civil(int64_t day, int *year, int *month, int *mday) {
  day += 719468;
  int64_t era = day / 146097, of_era = day % 146097;
  int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
  *mday = (int)(of_year - (153 * m + 2) / 5 + 1);
  *month = (int)(m < 10 ? m + 2 : m - 10);  // from 0
  *year = (int)(y + era * 400 + (*month < 2));
}

static int64_t days_from_civil(int64_t year, int month, int mday) {
  year -= month < 2;
  int64_t era = year / 400, y = year % 400;
  int64_t of_year = (153 * (month < 2 ? month + 10 : month - 2) + 2) / 5 + mday - 1;
  return era * 146097 + y * 365 + y / 4 - y / 100 + of_year - 719468;
}

void rl_http_date(char out[RL_HTTP_DATE_LEN], int64_t seconds) {
  if (seconds < 0) seconds = 0;
  int64_t day = seconds / 86400;
  int of_day = (int)(seconds % 86400), year, month, mday;
  civil(day, &year, &month, &mday);
  char text[64];
  snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * (day % 7), mday,
           months + 3 * month, year % 10000, of_day / 3600, of_day / 60 % 60, of_day % 60);
  memcpy(out, text, RL_HTTP_DATE_LEN);
}

static int number(const char *s, int count) {
  int n = 0;
  for (int i = 0; i < count; i++) {
    if (s[i] < '0' || s[i] > '9') return -1;
    n = n * 10 + (s[i] - '0');
  }
  return n;
}

static int read_month(const char *s) {  // from 0; 12: none
  int month = 0;
  while (month < 12 && memcmp(s, months + 3 * month, 3) != 0) month++;
  return month;
}

// "08:49:37" as seconds, or -1.
static int read_time(const char *s) {
  int hour = number(s, 2), minute = number(s + 3, 2), second = number(s + 6, 2);
  if (s[2] != ':' || s[5] != ':' || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return -1;
  }
  return hour * 3600 + minute * 60 + second;
}

static int64_t join_date(int year, const char *month_name, int mday, const char *time) {
  int month = read_month(month_name), of_day = read_time(time);
  if (month == 12 || mday < 1 || mday > 31 || year < 1970 || of_day < 0) return -1;
  return days_from_civil(year, month, mday) * 86400 + of_day;
}

// "06-Nov-94 08:49:37 GMT", behind the name of a day. A year below 70 is of this century.
static int64_t read_rfc850(const char *s, size_t len) {
  if (len != 22 || s[2] != '-' || s[6] != '-' || s[9] != ' ' || memcmp(s + 18, " GMT", 4) != 0)
    return -1;
  int year = number(s + 7, 2);
  return year < 0 ? -1 : join_date(year + (year < 70 ? 2000 : 1900), s + 3, number(s, 2), s + 10);
}

// "Sun Nov  6 08:49:37 1994"
static int64_t read_asctime(const char *s) {
  bool marks = s[3] == ' ' && s[7] == ' ' && s[10] == ' ' && s[19] == ' ';
  int mday = s[8] == ' ' ? number(s + 9, 1) : number(s + 8, 2);
  return marks ? join_date(number(s + 20, 4), s + 4, mday, s + 11) : -1;
}

int64_t rl_http_read_date(const char *s, size_t len) {
  enum { ASCTIME_LEN = 24 };
  if (len == ASCTIME_LEN) return read_asctime(s);
  const char *comma = memchr(s, ',', len);
  if (!comma || (size_t)(s + len - comma) < 2 || comma[1] != ' ') return -1;
  if (comma - s != 3) return read_rfc850(comma + 2, (size_t)(s + len - comma - 2));
  bool marks = len == RL_HTTP_DATE_LEN && s[7] == ' ' && s[11] == ' ' && s[16] == ' ' &&
               memcmp(s + 25, " GMT", 4) == 0;
  return marks ? join_date(number(s + 12, 4), s + 8, number(s + 5, 2), s + 17) : -1;
}

bool rl_http1_put_status(rl_buf *out, int status) {
  if (status == 200) return rl_buf_put(out, "HTTP/1.1 200 OK\r\n", 17);
  const char *reason = rl_http_reason(status);
  const char digits[] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                         (char)('0' + status % 10), ' '};
  return rl_buf_put(out, "HTTP/1.1 ", 9) && rl_buf_put(out, digits, sizeof digits) &&
         rl_buf_put(out, reason, strlen(reason)) && rl_buf_put(out, "\r\n", 2);
}

bool rl_http1_put_field(rl_buf *out, const char *name, size_t name_len, const char *value,
                        size_t len) {
  if (!rl_buf_reserve(out, name_len + len + 4)) return false;
  char *p = rl_buf_tail(out);
  memcpy(p, name, name_len);
  p += name_len;
  *p++ = ':';
  *p++ = ' ';
  memcpy(p, value, len);
  p += len;
  *p++ = '\r';
  *p++ = '\n';
  rl_buf_added(out, name_len + len + 4);
  return true;
}

bool rl_http1_put_length(rl_buf *out, uint64_t length) {
  char digits[22];
  size_t at = sizeof digits;
  digits[--at] = '\n';
  digits[--at] = '\r';
  do {
    digits[--at] = (char)('0' + length % 10);
    length /= 10;
  } while (length);
  return rl_buf_put(out, "Content-Length: ", 16) &&
         rl_buf_put(out, digits + at, sizeof digits - at);
}

bool rl_http1_put_chunk(rl_buf *out, size_t size) {
  char line[24];
  int n = snprintf(line, sizeof line, "%zx\r\n", size);
  return rl_buf_put(out, line, (size_t)n);
}
