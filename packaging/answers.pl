# answers.pl PORT: a model server for systems that have nothing but Perl, for the tests of the packages. It leaves a child that
# ignores SIGTERM. A request with "slow" in it takes 3 s.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(setsid);

$SIG{CHLD} = "IGNORE";
my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die $!;
if (fork == 0) { setsid; close $listener; $SIG{TERM} = "IGNORE"; sleep 1 while 1 }
while (my $client = $listener->accept) {
  next if fork;
  my ($length, $first, $body) = (0, "", "");
  while (my $line = <$client>) {
    $first = $line unless $first;
    $length = $1 if $line =~ /^content-length: (\d+)/i;
    last if $line =~ /^\r?$/;
  }
  read $client, $body, $length if $length;
  sleep 3 if $body =~ /slow/;
  my $answer = $first =~ m{/models} ? '{"object":"list","data":[{"id":"tiny"}]}'
    : '{"choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}';
  print $client "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ", length $answer, "\r\nConnection: close\r\n\r\n$answer";
  exit;
}
